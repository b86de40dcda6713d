// Command reference evaluates Rego with OPA's own interpreter, from the same release as the compiler: what a policy
// compiled to Wasm answers is compared with it. It reads a JSON array of cases and writes one of outcomes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

type testCase struct {
	Source  string `json:"source"`
	Version string `json:"version"`
	Input   any    `json:"input"`
}

type outcome struct {
	// Whether the rule is defined.
	Defined bool   `json:"defined"`
	Value   any    `json:"value,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	var cases []testCase
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	outcomes := make([]outcome, 0, len(cases))
	for _, each := range cases {
		outcomes = append(outcomes, evaluate(each))
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcomes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func evaluate(each testCase) outcome {
	version := ast.RegoV1
	if each.Version == "v0" {
		version = ast.RegoV0
	}
	results, err := rego.New(
		rego.Query("data.stategate.authz.allow"),
		rego.Module("case.rego", each.Source),
		rego.SetRegoVersion(version),
		rego.Input(each.Input),
	).Eval(context.Background())
	if err != nil {
		return outcome{Error: err.Error()}
	}
	if len(results) == 0 {
		return outcome{}
	}
	return outcome{Defined: true, Value: results[0].Expressions[0].Value}
}
