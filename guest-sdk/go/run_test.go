package op

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"cofferdam.dev/op/internal/host"
)

// silent is a host that is never called.
type silent struct{ host.Host }

type pairIn struct {
	Left  int
	Right *int `json:"right,omitempty"`
	More  Many[string]
}

type pairOut struct {
	Outputs
	Sum  Described[int]
	Left *int `json:"left,omitempty"`
	Each Dynamic[[]byte]
}

func pair(_ *Context, in pairIn) (out pairOut, err error) {
	out.Sum.Value, out.Sum.Metadata = in.Left, Metadata{"b": 1.5, "a": true}
	for _, each := range in.More {
		out.Each.Add(each.Key, []byte(each.Value))
	}
	return out, nil
}

func invoke(op Op, inputs ...host.Input) ([]host.Output, *host.Failure) {
	return attempt(op, NewContext(context.Background(), silent{}), host.Invocation{Inputs: inputs})
}

func text(value string) host.Value {
	return host.Value{MediaType: mediaCBOR, Bytes: append([]byte{byte(0x60 + len(value))}, value...)}
}

func TestInputsAndOutputsAreFieldsOfStructs(t *testing.T) {
	key := "k"
	more := host.Input{Name: "more", IsMany: true, Many: []host.Element{{Key: &key, Value: text("x")}, {Value: text("y")}}}
	made := Define("pair", "", pair)
	outputs, failure := invoke(made, host.Input{Name: "left", One: host.Value{Bytes: []byte{7}}}, more)
	if failure != nil {
		t.Fatal(*failure)
	}
	empty := ""
	want := []host.Output{
		{Name: "sum", Value: host.Value{MediaType: mediaCBOR, Bytes: []byte{7}}, Metadata: []host.Fact{
			{Name: "a", Kind: host.Truth, Truth: true}, {Name: "b", Kind: host.Number, Number: 1.5},
		}},
		{Name: "each", Key: &key, Value: host.Value{MediaType: mediaBytes, Bytes: []byte("x")}, Metadata: []host.Fact{}},
		{Name: "each", Key: &empty, Value: host.Value{MediaType: mediaBytes, Bytes: []byte("y")}, Metadata: []host.Fact{}},
	}
	if !reflect.DeepEqual(outputs, want) {
		t.Errorf("%+v", outputs)
	}
	for _, each := range []struct {
		input host.Input
		want  string
	}{
		{host.Input{Name: "left", One: text("x")}, "input `left`: expected a whole number, found a text"},
		{more, "input `left`: `left` is missing"},
	} {
		if _, failure := invoke(made, each.input); failure == nil || failure.Message != each.want || failure.Retry != host.Never {
			t.Errorf("%+v, expected %s", failure, each.want)
		}
	}
}

func TestErrorsAreToldWithTheirCauses(t *testing.T) {
	disk := errors.New("the disk is full")
	for _, each := range []struct {
		err  error
		want host.Failure
	}{
		{disk, host.Failure{Message: "the disk is full"}},
		{fmt.Errorf("write the table: %w", fmt.Errorf("at row %d: %w", 3, disk)),
			host.Failure{Message: "write the table", Causes: []string{"at row 3", "the disk is full"}}},
		{fmt.Errorf("%w (twice)", disk), host.Failure{Message: "the disk is full (twice)", Causes: []string{"the disk is full"}}},
		{errors.Join(disk, io.EOF), host.Failure{Message: "the disk is full; EOF", Causes: []string{"the disk is full", "EOF"}}},
		{fmt.Errorf("ask: %w", &Failure{Message: "busy", RetryAfter: 2 * time.Second, Metadata: Metadata{"n": 1}}),
			host.Failure{Message: "ask", Causes: []string{"busy"}, Retry: host.After, Milliseconds: 2000,
				Metadata: []host.Fact{{Name: "n", Kind: host.Integer, Integer: 1}}}},
		{&Failure{Message: "no", Permanent: true, Cause: disk},
			host.Failure{Message: "no", Causes: []string{"the disk is full"}, Retry: host.Never, Metadata: []host.Fact{}}},
		{fmt.Errorf("count: %w", &Fault{Resource: "db", Kind: Denied, Message: "no such resource"}),
			host.Failure{Message: "count", Causes: []string{"resource `db`: no such resource"}, Retry: host.Never}},
		{&Fault{Resource: "db", Kind: Unavailable, Message: "away"}, host.Failure{Message: "resource `db`: away"}},
	} {
		if got := failed(each.err); !reflect.DeepEqual(got, each.want) {
			t.Errorf("%v:\n%+v, expected\n%+v", each.err, got, each.want)
		}
	}
}

func reach(list []int, at int) int { return list[at] }

func TestAPanicIsAFailureWithItsPlaces(t *testing.T) {
	crash := Define("crash", "", func(*Context, None) (int, error) { return reach(nil, 3), nil })
	_, failure := invoke(crash)
	if failure == nil || failure.Retry != host.ByPolicy {
		t.Fatal(failure)
	}
	if want := "panic: runtime error: index out of range [3] with length 0"; failure.Message != want {
		t.Error(failure.Message)
	}
	_, failure = invoke(Define("words", "", func(*Context, None) (int, error) { panic("no\nway") }))
	if failure.Message != "panic: no; way" {
		t.Error(failure.Message)
	}
}

func TestASpecSaysWhatTheTypesSay(t *testing.T) {
	type in struct {
		Text    string  `doc:"what is read"`
		Pages   *Reader `media:"text/html" json:"pages,omitempty"`
		Service HTTP    `doc:"Asked."`
		Config  struct {
			Width int `default:"80"`
		} `op:"config"`
	}
	spec := Define("read", "Reads.", func(*Context, in) (string, error) { return "", nil }, Pure).spec
	want := host.Op{
		Name: "read", Doc: "Reads.", Pure: true,
		Inputs: []host.Port{
			{Name: "text", Doc: "what is read", MediaType: mediaCBOR, Schema: `{"type":"string","description":"what is read"}`, Required: true},
			{Name: "pages", MediaType: "text/html", Schema: "true"},
		},
		Outputs: []host.Port{{Name: "result", MediaType: mediaCBOR, Schema: `{"type":"string"}`, Required: true}},
		Config:  `{"type":"object","properties":{"width":{"type":"integer","default":80}},"additionalProperties":false}`,
		Needs:   []host.Need{{Name: "service", Kind: host.HTTP, Doc: "Asked."}},
	}
	if !reflect.DeepEqual(spec, want) {
		t.Errorf("%+v", spec)
	}
	if _, problems := inputsOf(reflect.TypeFor[struct{ Done chan int }]()); !strings.Contains(strings.Join(problems, ""), "chan int") {
		t.Error(problems)
	}
}
