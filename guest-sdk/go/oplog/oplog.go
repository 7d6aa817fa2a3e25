// Package oplog is for ops that log with log/slog: importing it makes the lines of slog and log those of the attempt, with
// their levels and fields. It adds 2 MB to a component; [op.Context] has methods for logging that add nothing.
package oplog

import (
	"context"
	"log/slog"

	"cofferdam.dev/op"
)

// LevelTrace is below slog.LevelDebug.
const LevelTrace = slog.Level(-8)

// New gives a logger of the attempt.
func New(ctx *op.Context) *slog.Logger { return slog.New(handler{log: ctx.Log}) }

type handler struct {
	log    func(level op.Level, message string, fields ...any)
	group  string
	fields []any
}

func (handler) Enabled(context.Context, slog.Level) bool { return true }

func (h handler) Handle(_ context.Context, record slog.Record) error {
	fields := h.fields
	record.Attrs(func(attr slog.Attr) bool {
		fields = h.add(fields, h.group, attr)
		return true
	})
	h.log(levelOf(record.Level), record.Message, fields...)
	return nil
}

func (h handler) add(fields []any, group string, attr slog.Attr) []any {
	value := attr.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		return append(fields[:len(fields):len(fields)], group+attr.Key, value.String())
	}
	if attr.Key != "" {
		group += attr.Key + "."
	}
	for _, inner := range value.Group() {
		fields = h.add(fields, group, inner)
	}
	return fields
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, attr := range attrs {
		h.fields = h.add(h.fields, h.group, attr)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

func levelOf(level slog.Level) op.Level {
	switch {
	case level < slog.LevelDebug:
		return op.LevelTrace
	case level < slog.LevelInfo:
		return op.LevelDebug
	case level < slog.LevelWarn:
		return op.LevelInfo
	case level < slog.LevelError:
		return op.LevelWarn
	default:
		return op.LevelError
	}
}
