package op

import (
	"context"
	"fmt"
	"time"

	"cofferdam.dev/op/internal/host"
)

// Context is what an attempt may say and ask while it runs. It is a context.Context too, which is done at the deadline of the
// attempt, on the clock that the op sees; a cancelled attempt is ended by the host.
type Context struct {
	context.Context
	host host.Host
}

// NewContext is for package optest.
func NewContext(parent context.Context, host host.Host) *Context { return &Context{parent, host} }

// Attempt says who is running.
type Attempt struct {
	RunID string
	// StepKey is dotted, with mapping keys: `outer.clean[jan]`.
	StepKey string
	// Attempt is 1 for the first try.
	Attempt int
	// IdempotencyKey is the same for every attempt of this step in this run: send it with effects outside, so that the
	// other side can see a repetition.
	IdempotencyKey string
	// Partition is nil in a run that is not over partitions.
	Partition *string
	// Tags are the step's.
	Tags map[string]string
}

// Attempt says who is running.
func (c *Context) Attempt() Attempt {
	found := c.host.Attempt()
	tags := make(map[string]string, len(found.Tags))
	for _, tag := range found.Tags {
		tags[tag.Name] = tag.Value
	}
	return Attempt{found.RunID, found.StepKey, int(found.Attempt), found.IdempotencyKey, found.Partition, tags}
}

// Remaining is the time until the host stops the attempt; false if there is no limit.
func (c *Context) Remaining() (time.Duration, bool) {
	milliseconds, limited := c.host.Remaining()
	return time.Duration(milliseconds) * time.Millisecond, limited
}

// Progress says how far the work is; a total of 0 is none.
func (c *Context) Progress(done, total uint64, message string) { c.host.Progress(done, total, message) }

// Metadata states a fact about the step, which is shown with it: a text, number, truth, time.Time, or one of [URL], [Path],
// [JSON], [Markdown] and [Table]. A name that is given twice keeps the later value.
func (c *Context) Metadata(name string, value any) {
	c.host.AddMetadata([]host.Fact{factOf(name, value)})
}

// Create starts an output that is written piece by piece: return it when all is written.
func (c *Context) Create() *Writer { return &Writer{host: c.host} }

// Level of a log line.
type Level = host.Level

// Levels, from the least important one.
const (
	LevelTrace = host.Trace
	LevelDebug = host.Debug
	LevelInfo  = host.Info
	LevelWarn  = host.Warn
	LevelError = host.Error
)

// Log writes a log line with fields: names and values in turn, as log/slog has them. Package oplog is for log/slog itself.
func (c *Context) Log(level Level, message string, fields ...any) {
	pairs := make([]host.Field, 0, (len(fields)+1)/2)
	for i := 0; i < len(fields); i += 2 {
		pair := host.Field{Name: fmt.Sprint(fields[i])}
		if i+1 < len(fields) {
			pair.Value = fmt.Sprint(fields[i+1])
		}
		pairs = append(pairs, pair)
	}
	c.host.Log(level, message, pairs)
}

// Trace writes a log line for those who look into the op.
func (c *Context) Trace(message string, fields ...any) { c.Log(LevelTrace, message, fields...) }

// Debug writes a log line for those who look for a fault.
func (c *Context) Debug(message string, fields ...any) { c.Log(LevelDebug, message, fields...) }

// Info writes a log line.
func (c *Context) Info(message string, fields ...any) { c.Log(LevelInfo, message, fields...) }

// Warn writes a log line about what may be wrong.
func (c *Context) Warn(message string, fields ...any) { c.Log(LevelWarn, message, fields...) }

// Error writes a log line about what is wrong; the attempt goes on.
func (c *Context) Error(message string, fields ...any) { c.Log(LevelError, message, fields...) }
