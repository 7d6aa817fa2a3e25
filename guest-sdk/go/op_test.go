package op_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"cofferdam.dev/op"
	"cofferdam.dev/op/oplog"
	"cofferdam.dev/op/optest"
)

type wordsIn struct {
	Text   string
	Store  op.KeyValue `doc:"Where the count is."`
	Config struct {
		Least int `default:"2"`
	} `op:"config"`
}

func words(ctx *op.Context, in wordsIn) (found []string, err error) {
	for _, word := range strings.Fields(in.Text) {
		if len(word) >= in.Config.Least {
			found = append(found, word)
		}
	}
	ctx.Metadata("words", len(found))
	ctx.Info("read", "words", len(found))
	return found, in.Store.Set("words", fmt.Append(nil, len(found)))
}

func TestAnOpIsAFunction(t *testing.T) {
	test, store := optest.New(t), optest.KeyValue{}
	in := wordsIn{Text: "to be or a", Store: store}
	in.Config = optest.Defaults[struct {
		Least int `default:"2"`
	}]()
	found, err := words(test.Context, in)
	if err != nil || !reflect.DeepEqual(found, []string{"to", "be", "or"}) {
		t.Errorf("%v, %v", found, err)
	}
	if test.Metadata["words"] != int64(3) || string(store["words"]) != "3" {
		t.Errorf("%v, %v", test.Metadata, store)
	}
	want := optest.Line{Level: op.LevelInfo, Message: "read", Fields: map[string]string{"words": "3"}}
	if !reflect.DeepEqual(test.Lines, []optest.Line{want}) {
		t.Errorf("%v", test.Lines)
	}
}

func TestReadersAndWritersWorkPieceByPiece(t *testing.T) {
	content := make([]byte, 700_001)
	for i := range content {
		content[i] = byte(i * 31)
	}
	test := optest.New(t)
	reader, writer := op.NewReader(content), test.Context.Create()
	if n, err := io.Copy(writer, reader); n != 700_001 || err != nil {
		t.Fatal(n, err)
	}
	if !bytes.Equal(test.Written(t, writer), content) {
		t.Error("other bytes were written")
	}
	middle := make([]byte, 10)
	if n, err := reader.ReadAt(middle, 699_995); n != 6 || err != io.EOF || !bytes.Equal(middle[:6], content[699_995:]) {
		t.Error(n, err)
	}
	if at, err := reader.Seek(-1, io.SeekEnd); at != 700_000 || err != nil {
		t.Error(at, err)
	}
	small := test.Context.Create()
	fmt.Fprint(small, "x")
	if string(test.Written(t, small)) != "x" {
		t.Error("a short output was lost")
	}
}

func TestTheContextSaysWhoRuns(t *testing.T) {
	test := optest.New(t)
	test.Attempt.Attempt, test.Remaining = 3, time.Minute
	if left, limited := test.Context.Remaining(); left != time.Minute || !limited {
		t.Error(left, limited)
	}
	if test.Context.Attempt().Attempt != 3 {
		t.Error(test.Context.Attempt())
	}
	oplog.New(test.Context).WithGroup("table").With("name", "x").Log(test.Context, oplog.LevelTrace, "read", "rows", 2)
	want := optest.Line{Level: op.LevelTrace, Message: "read", Fields: map[string]string{"table.name": "x", "table.rows": "2"}}
	if !reflect.DeepEqual(test.Lines, []optest.Line{want}) {
		t.Errorf("%v", test.Lines)
	}
}

func TestALibraryWithATypeThatCannotBeIsRefused(t *testing.T) {
	type badIn struct{ Numbers complex128 }
	type late struct {
		op.Outputs
		File *op.Reader
		Page int `media:"text/html"`
	}
	defer func() {
		said, _ := recover().(string)
		for _, part := range []string{
			"op `mean`: input `numbers`: the Go type complex128 has no schema",
			"op `mean`: output `file`: *op.Reader is for inputs",
			"op `mean`: output `page`: a value of the Go type int has no media type of its own",
			"op `list`: its inputs are of the Go type []int: they are the fields of a struct, or op.None",
			"there are two ops of the name `list`",
		} {
			if !strings.Contains(said, part) {
				t.Errorf("`%s` is not in %s", part, said)
			}
		}
	}()
	list := op.Define("list", "", func(*op.Context, []int) (op.None, error) { return op.None{}, nil })
	op.Library("stats", "1.0.0", list, list,
		op.Define("mean", "", func(*op.Context, badIn) (late, error) { return late{}, nil }))
}

func TestAFailureIsAnErrorWithItsCause(t *testing.T) {
	err := error(&op.Failure{Message: "read the table", Cause: io.ErrUnexpectedEOF})
	if err.Error() != "read the table: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
