// Package optest has what ops need in tests: a context that keeps what is said, values that are read and written piece by
// piece, and resources in memory.
package optest

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"cofferdam.dev/op"
	"cofferdam.dev/op/internal/cbor"
	"cofferdam.dev/op/internal/host"
)

// Line of the log.
type Line struct {
	Level   op.Level
	Message string
	Fields  map[string]string
}

// Step is how far the work is.
type Step struct {
	Done, Total uint64
	Message     string
}

// Test is an attempt that a test makes up. What the op says is in its fields.
type Test struct {
	// Context is what the op is called with.
	Context *op.Context
	// Attempt is what the op is told; change it before the call.
	Attempt op.Attempt
	// Remaining is the time that is left; none is no limit.
	Remaining time.Duration

	Lines    []Line
	Steps    []Step
	Metadata map[string]any

	written [][]byte
}

// New makes an attempt: the first one of the step `step` in the run `run`.
func New(t testing.TB) *Test {
	test := &Test{
		Attempt:  op.Attempt{RunID: "run", StepKey: "step", Attempt: 1, IdempotencyKey: "run/step", Tags: map[string]string{}},
		Metadata: map[string]any{},
	}
	test.Context = op.NewContext(t.Context(), fake{test})
	return test
}

// Written gives what the op has written into an output.
func (test *Test) Written(t testing.TB, writer *op.Writer) []byte {
	t.Helper()
	content, err := op.Written(writer, func(number uint32) []byte { return test.written[number] })
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Defaults gives a config, or another struct, as it is where nothing is given.
func Defaults[T any]() T {
	var value T
	of := reflect.ValueOf(&value).Elem()
	for _, field := range cbor.Fields(of.Type()) {
		if written, has := field.Default(); has {
			if err := cbor.SetDefault(of.FieldByIndex(field.Index), written); err != nil {
				panic(err)
			}
		}
	}
	return value
}

// fake is what the SDK calls.
type fake struct{ test *Test }

func (f fake) Attempt() host.Attempt {
	given := f.test.Attempt
	told := host.Attempt{
		RunID: given.RunID, StepKey: given.StepKey, Attempt: uint32(given.Attempt), IdempotencyKey: given.IdempotencyKey,
		Partition: given.Partition,
	}
	for name, value := range given.Tags {
		told.Tags = append(told.Tags, host.Tag{Name: name, Value: value})
	}
	return told
}

func (f fake) Remaining() (uint64, bool) {
	left := f.test.Remaining
	return uint64(left.Milliseconds()), left > 0
}

func (f fake) Log(level host.Level, message string, fields []host.Field) {
	line := Line{Level: level, Message: message, Fields: map[string]string{}}
	for _, field := range fields {
		line.Fields[field.Name] = field.Value
	}
	f.test.Lines = append(f.test.Lines, line)
}

func (f fake) Progress(done, total uint64, message string) {
	f.test.Steps = append(f.test.Steps, Step{done, total, message})
}

func (f fake) AddMetadata(facts []host.Fact) {
	for _, fact := range facts {
		switch fact.Kind {
		case host.Integer:
			f.test.Metadata[fact.Name] = fact.Integer
		case host.Number:
			f.test.Metadata[fact.Name] = fact.Number
		case host.Truth:
			f.test.Metadata[fact.Name] = fact.Truth
		default:
			f.test.Metadata[fact.Name] = fact.Text
		}
	}
}

// Nothing is stored before a test: its readers are made of bytes.
func (f fake) Open(uint32) (host.Reader, error) { return nil, host.Unknown }

func (f fake) Create() (host.Writer, error) { return &writer{test: f.test}, nil }

// Resources are given to an op by the test, as fields of its inputs.
func (f fake) Resource(host.Kind, string) any { return nil }

type writer struct {
	test   *Test
	buffer bytes.Buffer
}

func (w *writer) Write(bytes []byte) error {
	_, err := w.buffer.Write(bytes)
	return err
}

func (w *writer) Finish() (uint32, error) {
	w.test.written = append(w.test.written, w.buffer.Bytes())
	return uint32(len(w.test.written) - 1), nil
}
