package op

import (
	"context"
	"fmt"
	"os"
	"strings"

	"cofferdam.dev/op/internal/host"
)

// In the sandbox what is wrong with the library is told when it describes itself.
const sandboxed = true

//go:wasmexport cofferdam:op/ops@0.1.0#describe
func describe() uint32 {
	holdClock(0)
	if library.name == "" {
		library.problems = append(library.problems, "no library: call op.Library in an init function of package main")
	}
	if len(library.problems) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(library.problems, "\n"))
		os.Exit(1)
	}
	var a arena
	ops := make([]abiOp, len(library.ops))
	for i, op := range library.ops {
		ops[i] = a.op(op.spec)
	}
	spec := &abiLibrary{name: a.text(library.name), version: a.text(library.version), ops: list(&a, ops)}
	answer = append(a.held, spec)
	return address(spec)
}

//go:wasmexport cofferdam:op/ops@0.1.0#run
func run(name, nameSize, config, configSize, given, count uint32) uint32 {
	holdClock(0)
	called := lifted(name, nameSize)
	invocation := host.Invocation{Config: taken(config, configSize)}
	for _, input := range elements[abiInput](given, count) {
		invocation.Inputs = append(invocation.Inputs, input.lift())
	}
	var outputs []host.Output
	failure := &host.Failure{Message: "there is no op `" + called + "`", Retry: host.Never}
	if op, has := find(called); has {
		ctx, cancel := limited()
		outputs, failure = attempt(op, ctx, invocation)
		cancel()
	}
	var a arena
	ended := &abiEnded{}
	if failure == nil {
		lowered := make([]abiOutput, len(outputs))
		for i, output := range outputs {
			lowered[i] = a.output(output)
		}
		ended.outputs = list(&a, lowered)
	} else {
		ended.failed = 1
		a.failure(ended, *failure)
	}
	answer = append(a.held, ended)
	return address(ended)
}

// What the host reads when a call has returned.
var answer []any

// limited is a context that is done when the host stops the attempt.
func limited() (*Context, context.CancelFunc) {
	ctx := Sandbox()
	left, has := ctx.Remaining()
	if !has {
		return ctx, func() {}
	}
	parent, cancel := context.WithTimeout(ctx.Context, left)
	ctx.Context = parent
	return ctx, cancel
}

// Sandbox is for package oplog: the context of the attempt that this instance is for.
func Sandbox() *Context { return NewContext(context.Background(), sandbox{}) }
