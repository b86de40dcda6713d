// Command load calls one unary gRPC method from many callers at once and prints one JSON line. It sends the same work to
// any server that takes bytes: messages are built by hand, so that no client library is part of what is measured.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
)

type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

func text(b []byte, field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func message(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

// The values of every entity that is written: {"message":"hello world","n":1,"nested":{"x":"zzz…"}}.
func values() []byte {
	entry := func(key string, value []byte) []byte { return message(text(nil, 1, key), 2, value) }
	number := protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), 0x3ff0000000000000)
	nested := message(nil, 1, entry("x", text(nil, 3, strings.Repeat("z", 100))))
	b := message(nil, 1, entry("message", text(nil, 3, "hello world")))
	b = message(b, 1, entry("n", number))
	return message(b, 1, entry("nested", message(nil, 5, nested)))
}

var jsonValues = `{"message":"hello world","n":1,"nested":{"x":"` + strings.Repeat("z", 100) + `"}}`

var calls = map[string]struct {
	method string
	build  func(key string) []byte
}{
	"stategate-set": {"/stategate.EntityService/Set", func(key string) []byte {
		return message(text(text(text(nil, 1, "bench"), 2, "user"), 3, key), 4, values())
	}},
	"stategate-get": {"/stategate.EntityService/Get", func(key string) []byte {
		return text(text(text(nil, 1, "bench"), 2, "user"), 3, key)
	}},
	"stategate-apply": {"/stategate.EntityService/Apply", func(key string) []byte {
		b := text(nil, 1, "bench")
		for i := range 100 {
			entity := message(text(text(nil, 2, "user"), 3, fmt.Sprintf("%s-%d", key, i)), 4, values())
			b = message(b, 2, message(nil, 1, entity))
		}
		return b
	}},
	"etcd-put": {"/etcdserverpb.KV/Put", func(key string) []byte { return text(text(nil, 1, "bench/user/"+key), 2, jsonValues) }},
	"etcd-get": {"/etcdserverpb.KV/Range", func(key string) []byte { return text(nil, 1, "bench/user/"+key) }},
}

// Over HTTP/1.1, on connections that are kept.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

func ask(ctx context.Context, method, url, body string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		request.Header.Set("content-type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != 200 {
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
	return nil
}

var webCalls = map[string]func(ctx context.Context, addr, key string) error{
	"rest-get": func(ctx context.Context, addr, key string) error {
		return ask(ctx, "GET", "http://"+addr+"/api/entity/ref/bench/user/"+key, "")
	},
	"connect-get": func(ctx context.Context, addr, key string) error {
		return ask(ctx, "POST", "http://"+addr+"/stategate.EntityService/Get", `{"domain":"bench","type":"user","key":"`+key+`"}`)
	},
}

func main() {
	name := flag.String("call", "stategate-set", "stategate-set|stategate-get|stategate-apply|rest-get|connect-get|etcd-put|etcd-get")
	addr := flag.String("addr", "127.0.0.1:8080", "host:port")
	duration := flag.Duration("d", 4*time.Second, "how long to measure")
	callers := flag.Int("c", 64, "concurrent callers")
	connections := flag.Int("conns", 4, "connections")
	keys := flag.Int("keys", 1000, "distinct keys")
	fill := flag.Int("fill", 0, "call once for each of so many keys instead, and measure nothing")
	flag.Parse()
	call, known := calls[*name]
	if _, isWeb := webCalls[*name]; isWeb {
		call, known = calls["stategate-get"], true
	}
	if !known {
		fmt.Fprintln(os.Stderr, "unknown call", *name)
		os.Exit(2)
	}
	conns := make([]*grpc.ClientConn, *connections)
	for i := range conns {
		conn, err := grpc.NewClient(*addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		conns[i] = conn
	}
	web, isWeb := webCalls[*name]
	requests := make([][]byte, max(*keys, *fill))
	for i := range requests {
		requests[i] = call.build(fmt.Sprintf("k%d", i))
	}
	invoke := func(worker, key int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if isWeb {
			return web(ctx, *addr, fmt.Sprintf("k%d", key))
		}
		var reply []byte
		return conns[worker%len(conns)].Invoke(ctx, call.method, &requests[key], &reply)
	}
	var failed atomic.Int64
	var first atomic.Value
	run := func(next func(worker, i int, random *rand.Rand) (int, bool), latencies [][]time.Duration) {
		var group sync.WaitGroup
		for worker := range *callers {
			group.Add(1)
			go func() {
				defer group.Done()
				random := rand.New(rand.NewSource(int64(worker)))
				for i := 0; ; i++ {
					key, more := next(worker, i, random)
					if !more {
						return
					}
					since := time.Now()
					if err := invoke(worker, key); err != nil {
						failed.Add(1)
						first.CompareAndSwap(nil, err.Error())
						continue
					}
					if latencies != nil {
						latencies[worker] = append(latencies[worker], time.Since(since))
					}
				}
			}()
		}
		group.Wait()
	}
	began := time.Now()
	latencies := make([][]time.Duration, *callers)
	if *fill > 0 {
		run(func(worker, i int, _ *rand.Rand) (int, bool) { key := worker + i**callers; return key, key < *fill }, latencies)
	} else {
		until := func(end time.Time) func(int, int, *rand.Rand) (int, bool) {
			return func(_, _ int, random *rand.Rand) (int, bool) { return random.Intn(*keys), time.Now().Before(end) }
		}
		// Warm, and for reads: there.
		run(until(time.Now().Add(500*time.Millisecond)), nil)
		failed.Store(0)
		began = time.Now()
		run(until(began.Add(*duration)), latencies)
	}
	elapsed := time.Since(began)
	var all []time.Duration
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	line := map[string]any{"call": *name, "perSecond": float64(len(all)) / elapsed.Seconds(), "p50Ms": at(.5), "p90Ms": at(.9), "p99Ms": at(.99), "failed": failed.Load()}
	if reason := first.Load(); reason != nil {
		line["reason"] = reason
	}
	out, _ := json.Marshal(line)
	fmt.Println(string(out))
}
