// Command rego-compiler compiles Rego to a WebAssembly policy. It reads one JSON request from standard input and
// writes one JSON reply to standard output, so that a program built for wasip1 needs no file and no network.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
)

type module struct {
	Path   string `json:"path"`
	Source string `json:"source"`
}

type request struct {
	Modules []module `json:"modules"`
	// Rules as paths, such as stategate/authz/allow.
	Entrypoints []string `json:"entrypoints"`
	// Adds every test rule to the entrypoints.
	Tests bool `json:"tests"`
	// Keeps print calls, which the evaluator then has to supply.
	Print bool `json:"print"`
	// v0 or v1; empty tries v1, then v0.
	Version string `json:"version"`
}

type place struct {
	Path   string `json:"path"`
	Row    int    `json:"row"`
	Column int    `json:"column"`
}

type problem struct {
	place
	Reason string `json:"reason"`
}

type test struct {
	place
	Entrypoint string `json:"entrypoint"`
	Todo       bool   `json:"todo"`
}

type reply struct {
	Version string `json:"version"`
	// Base64 in JSON. Absent when there are problems.
	Wasm []byte `json:"wasm,omitempty"`
	// The builtins that the modules call, each with its first place.
	Calls    map[string]place `json:"calls"`
	Tests    []test           `json:"tests"`
	Problems []problem        `json:"problems"`
}

func main() {
	answer, err := serve(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(input io.Reader) (*reply, error) {
	var wanted request
	if err := json.NewDecoder(input).Decode(&wanted); err != nil {
		return nil, err
	}
	switch wanted.Version {
	case "v1":
		answer, _ := try(wanted, ast.RegoV1)
		return answer, nil
	case "v0":
		answer, _ := try(wanted, ast.RegoV0)
		return answer, nil
	case "":
		one, parsedOne := try(wanted, ast.RegoV1)
		if len(one.Problems) == 0 {
			return one, nil
		}
		zero, parsedZero := try(wanted, ast.RegoV0)
		// Where neither compiles, the version that at least parses is the one that its author meant.
		if len(zero.Problems) == 0 || (parsedZero && !parsedOne) {
			return zero, nil
		}
		return one, nil
	default:
		return nil, fmt.Errorf("unknown version %q", wanted.Version)
	}
}

// try compiles all modules as one version of Rego, and reports whether they parsed.
func try(wanted request, version ast.RegoVersion) (*reply, bool) {
	answer := &reply{
		Version:  strings.ToLower(version.String()),
		Calls:    map[string]place{},
		Tests:    []test{},
		Problems: []problem{},
	}
	source := &bundle.Bundle{Data: map[string]any{}}
	source.SetRegoVersion(version)
	source.Manifest.Init()
	for _, each := range wanted.Modules {
		options := ast.ParserOptions{RegoVersion: version, ProcessAnnotation: true}
		parsed, err := ast.ParseModuleWithOpts(each.Path, each.Source, options)
		if err != nil {
			answer.Problems = append(answer.Problems, problemsOf(err)...)
			continue
		}
		source.Modules = append(source.Modules, bundle.ModuleFile{
			URL: each.Path, Path: each.Path, Raw: []byte(each.Source), Parsed: parsed,
		})
	}
	if len(answer.Problems) > 0 {
		return answer, false
	}
	entrypoints := wanted.Entrypoints
	for _, each := range source.Modules {
		answer.collectCalls(each.Parsed)
		if wanted.Tests {
			answer.collectTests(each.Parsed)
		}
	}
	for _, each := range answer.Tests {
		entrypoints = append(entrypoints, each.Entrypoint)
	}
	compiler := compile.New().
		WithTarget(compile.TargetWasm).
		WithRegoVersion(version).
		WithCapabilities(ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(version))).
		WithEnablePrintStatements(wanted.Print).
		WithEntrypoints(entrypoints...).
		WithBundle(source)
	if err := compiler.Build(context.Background()); err != nil {
		answer.Problems = append(answer.Problems, problemsOf(err)...)
		return answer, true
	}
	answer.Wasm = compiler.Bundle().WasmModules[0].Raw
	return answer, true
}

func problemsOf(err error) []problem {
	var list ast.Errors
	if !errors.As(err, &list) {
		var one *ast.Error
		if !errors.As(err, &one) {
			return []problem{{Reason: err.Error()}}
		}
		list = ast.Errors{one}
	}
	problems := make([]problem, 0, len(list))
	for _, each := range list {
		reason := each.Message
		if each.Details != nil {
			for _, line := range each.Details.Lines() {
				if line = strings.TrimSpace(line); line != "" {
					reason += "\n    " + line
				}
			}
		}
		problems = append(problems, problem{place: placeOf(each.Location), Reason: reason})
	}
	return problems
}

func placeOf(location *ast.Location) place {
	if location == nil {
		return place{}
	}
	return place{Path: location.File, Row: location.Row, Column: location.Col}
}

func (answer *reply) collectCalls(parsed *ast.Module) {
	note := func(operator ast.Ref, location *ast.Location) {
		name := operator.String()
		if _, seen := answer.Calls[name]; seen {
			return
		}
		if _, known := ast.BuiltinMap[name]; known {
			answer.Calls[name] = placeOf(location)
		}
	}
	ast.WalkExprs(parsed, func(expression *ast.Expr) bool {
		if expression.IsCall() {
			note(expression.Operator(), expression.Location)
		}
		return false
	})
	ast.WalkTerms(parsed, func(term *ast.Term) bool {
		if call, ok := term.Value.(ast.Call); ok {
			note(call[0].Value.(ast.Ref), term.Location)
		}
		return false
	})
}

func (answer *reply) collectTests(parsed *ast.Module) {
	for _, rule := range parsed.Rules {
		name, ok := rule.Head.Ref()[len(rule.Head.Ref())-1].Value.(ast.String)
		if len(rule.Head.Ref()) == 1 {
			name, ok = ast.String(rule.Head.Ref()[0].Value.(ast.Var)), true
		}
		isTodo := strings.HasPrefix(string(name), "todo_test_")
		if !ok || len(rule.Head.Args) > 0 || !(isTodo || strings.HasPrefix(string(name), "test_")) {
			continue
		}
		path, err := rule.Ref().GroundPrefix().Ptr()
		if err != nil || answer.hasTest(path) {
			continue
		}
		answer.Tests = append(answer.Tests, test{place: placeOf(rule.Location), Entrypoint: path, Todo: isTodo})
	}
}

func (answer *reply) hasTest(entrypoint string) bool {
	for _, each := range answer.Tests {
		if each.Entrypoint == entrypoint {
			return true
		}
	}
	return false
}
