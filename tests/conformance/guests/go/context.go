package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"cofferdam.dev/op"
	"cofferdam.dev/op/oplog"
)

func logs(ctx *op.Context, _ op.None) (op.None, error) {
	slog.Log(context.Background(), oplog.LevelTrace, "trace", "colour", "blue")
	slog.Debug("debug", "colour", "blue")
	oplog.New(ctx).With("colour", "blue").Info("info")
	slog.Warn("warn", "colour", "blue")
	ctx.Error("error", "colour", "blue")
	return op.None{}, nil
}

func prints(*op.Context, op.None) (op.None, error) {
	fmt.Println("to stdout")
	fmt.Fprintln(os.Stderr, "to stderr")
	return op.None{}, nil
}

type linesIn struct {
	Config struct{ Lines int } `op:"config"`
}

func chatter(ctx *op.Context, in linesIn) (op.None, error) {
	for n := range in.Config.Lines {
		ctx.Info("line " + strconv.Itoa(n))
	}
	return op.None{}, nil
}

func progress(ctx *op.Context, _ op.None) (op.None, error) {
	ctx.Progress(1, 2, "half")
	ctx.Progress(2, 2, "done")
	return op.None{}, nil
}

func facts(ctx *op.Context, _ op.None) (op.None, error) {
	ctx.Metadata("text", "words")
	ctx.Metadata("integer", 7)
	ctx.Metadata("number", 0.5)
	ctx.Metadata("truth", true)
	ctx.Metadata("url", op.URL("https://example.org/a"))
	ctx.Metadata("path", op.Path("/a/b"))
	ctx.Metadata("json", op.JSON(`{"a": 1}`))
	ctx.Metadata("markdown", op.Markdown("*b*"))
	ctx.Metadata("table", op.Table(`[{"a": 1}]`))
	ctx.Metadata("timestamp", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return op.None{}, nil
}

type identity struct {
	RunID, StepKey string
	Attempt        int
	IdempotencyKey string
	Partition      *string
	Tags           map[string]string
}

func who(ctx *op.Context, _ op.None) (identity, error) { return identity(ctx.Attempt()), nil }

func remaining(ctx *op.Context, _ op.None) (bool, error) {
	left, limited := ctx.Remaining()
	return limited && left > 0 && left <= time.Minute, nil
}

func spin(*op.Context, op.None) (int64, error) {
	for {
	}
}

type hogIn struct {
	Config struct{ Megabytes int } `op:"config"`
}

func hog(_ *op.Context, in hogIn) (int, error) {
	var blocks [][]byte
	for n := range in.Config.Megabytes {
		block := make([]byte, 1_000_000)
		for i := range block {
			block[i] = byte(n) | 1
		}
		blocks = append(blocks, block)
	}
	return len(blocks), nil
}

type countIn struct{ Store op.KeyValue }

func count(_ *op.Context, in countIn) (int, error) {
	bytes, has, err := in.Store.Get("visits")
	if err != nil {
		return 0, err
	}
	seen := 0
	if has {
		if seen, err = strconv.Atoi(string(bytes)); err != nil {
			return 0, err
		}
	}
	return seen + 1, in.Store.Set("visits", []byte(strconv.Itoa(seen+1)))
}

type settingIn struct{ Settings op.Settings }

func setting(_ *op.Context, in settingIn) (string, error) {
	value, has, err := in.Settings.Get("colour")
	if !has {
		return "none", err
	}
	return value, err
}
