// Package op is for writing ops in Go: steps of Cofferdam's jobs.
//
// An op is a function of a context and a struct of inputs:
//
//	type tokenizeIn struct {
//		Text string `doc:"what is split"`
//	}
//
//	func tokenize(ctx *op.Context, in tokenizeIn) ([]string, error) {
//		return strings.Fields(in.Text), nil
//	}
//
//	func init() {
//		op.Library("words", "1.0.0", op.Define("tokenize", "Splits a text into words.", tokenize))
//	}
//
//	func main() {}
//
// The fields of the struct are the inputs, the result is the output, and their types become schemas. The same function is
// called by `go test`; package optest has a context for it.
package op

import (
	"fmt"
	"reflect"
	"strings"

	"cofferdam.dev/op/internal/host"
)

// None is what an op without inputs, or without outputs, has in their place.
type None struct{}

// Op is one op of a library; [Define] makes it.
type Op struct {
	spec     host.Op
	problems []string
	run      func(*Context, host.Invocation) ([]host.Output, error)
}

// Option of [Define].
type Option func(*host.Op)

// Pure promises that equal inputs and config give equal outputs and that nothing else is touched: an earlier result may be
// taken instead of running the op.
func Pure(spec *host.Op) { spec.Pure = true }

// Define makes an op of a function.
//
// In is a struct whose fields are inputs, config and resources (see the README), or [None]. Out is the type of the one
// output, a struct that embeds [Outputs], or None. The first line of the doc is the summary.
func Define[In, Out any](name, doc string, function func(*Context, In) (Out, error), options ...Option) Op {
	inputs, problems := inputsOf(reflect.TypeFor[In]())
	outputs, more := outputsOf(reflect.TypeFor[Out]())
	spec := host.Op{Name: name, Doc: doc, Inputs: inputs.specs(), Outputs: outputs.specs(), Config: inputs.schema, Needs: inputs.needs}
	for _, option := range options {
		option(&spec)
	}
	run := func(ctx *Context, given host.Invocation) ([]host.Output, error) {
		var in In
		if err := inputs.read(ctx, given, reflect.ValueOf(&in).Elem()); err != nil {
			return nil, err
		}
		out, err := function(ctx, in)
		if err != nil {
			return nil, err
		}
		return outputs.give(ctx, reflect.ValueOf(&out).Elem())
	}
	return Op{spec: spec, problems: append(problems, more...), run: run}
}

// What the library of this program is; there is one.
var library struct {
	name, version string
	ops           []Op
	problems      []string
}

// Library says what the library offers; it is called once, in an init function of package main. Natively it panics if an op
// has a type that cannot be carried; in the sandbox the build says so.
func Library(name, version string, ops ...Op) {
	if library.name != "" {
		library.problems = append(library.problems, "op.Library is called twice")
	}
	library.name, library.version, library.ops = name, version, ops
	seen := map[string]bool{}
	for _, op := range ops {
		if seen[op.spec.Name] {
			library.problems = append(library.problems, fmt.Sprintf("there are two ops of the name `%s`", op.spec.Name))
		}
		seen[op.spec.Name] = true
		for _, problem := range op.problems {
			library.problems = append(library.problems, fmt.Sprintf("op `%s`: %s", op.spec.Name, problem))
		}
	}
	if len(library.problems) > 0 && !sandboxed {
		panic("op: " + strings.Join(library.problems, "\n"))
	}
}

// find gives the op of that name.
func find(name string) (Op, bool) {
	for _, op := range library.ops {
		if op.spec.Name == name {
			return op, true
		}
	}
	return Op{}, false
}
