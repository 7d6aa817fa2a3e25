package main

import (
	"errors"
	"fmt"
	"time"

	"cofferdam.dev/op"
)

type failIn struct {
	Config struct{ Message string } `op:"config"`
}

func fail(_ *op.Context, in failIn) (int64, error) {
	return 0, &op.Failure{
		Message: in.Config.Message, Cause: errors.New("the disk is full"), Metadata: op.Metadata{"tried": 3},
	}
}

func failPermanent(*op.Context, op.None) (int64, error) {
	return 0, &op.Failure{Message: "it stays wrong", Permanent: true}
}

type laterIn struct {
	Config struct{ Milliseconds int64 } `op:"config"`
}

func failLater(ctx *op.Context, in laterIn) (int, error) {
	if attempt := ctx.Attempt().Attempt; attempt > 1 {
		return attempt, nil
	}
	return 0, &op.Failure{Message: "not yet", RetryAfter: time.Duration(in.Config.Milliseconds) * time.Millisecond}
}

type flakyIn struct {
	Config struct{ Attempts int } `op:"config"`
}

func flaky(ctx *op.Context, in flakyIn) (int, error) {
	attempt := ctx.Attempt().Attempt
	if attempt < in.Config.Attempts {
		return 0, fmt.Errorf("attempt %d", attempt)
	}
	return attempt, nil
}

var three = []int64{1, 2, 3}

func crash(*op.Context, op.None) (int64, error) {
	past := len(three) + 4
	return three[past], nil
}
