package op

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"cofferdam.dev/op/internal/host"
)

// Failure is an error that knows more than its message. Any other error fails the attempt too, with what it wraps as
// causes, and the step's retry policy decides about another try.
type Failure struct {
	// Message is one line for the person who runs the job.
	Message string
	// Cause is what led to it.
	Cause error
	// Permanent says that another try makes no sense.
	Permanent bool
	// RetryAfter, if it is not zero, asks for another try, not before that time has passed.
	RetryAfter time.Duration
	// Metadata are facts that are shown with the failure.
	Metadata Metadata
}

func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Message
	}
	return f.Message + ": " + f.Cause.Error()
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Causes that are told, from the outermost.
const causesMax = 32

// failed is what the host is told of an error.
func failed(err error) host.Failure {
	var told host.Failure
	told.Message, told.Causes = words(err)
	var failure *Failure
	var fault *Fault
	switch {
	case errors.As(err, &failure) && failure.Permanent:
		told.Retry = host.Never
	case failure != nil && failure.RetryAfter > 0:
		told.Retry, told.Milliseconds = host.After, uint64(failure.RetryAfter.Milliseconds())
	case errors.As(err, &fault) && fault.Permanent():
		told.Retry = host.Never
	}
	if failure != nil {
		told.Metadata = failure.Metadata.list()
	}
	return told
}

// words takes a chain of errors apart: what is said first, and the causes. fmt.Errorf("read: %w", err) repeats what it
// wraps, which is said once.
func words(err error) (message string, causes []string) {
	for ; err != nil; err = errors.Unwrap(err) {
		said := err.Error()
		if failure, is := err.(*Failure); is {
			said = failure.Message
		} else if inner := errors.Unwrap(err); inner != nil {
			said = strings.TrimSuffix(strings.TrimSuffix(said, inner.Error()), ": ")
		}
		if said = strings.ReplaceAll(said, "\n", "; "); said == "" {
			continue
		}
		if message == "" {
			message = said
		} else if len(causes) < causesMax {
			causes = append(causes, said)
		}
		if joined, is := err.(interface{ Unwrap() []error }); is {
			for _, each := range joined.Unwrap() {
				causes = append(causes, strings.ReplaceAll(each.Error(), "\n", "; "))
			}
		}
	}
	if message == "" {
		message = "an error without a message"
	}
	return message, causes
}

// Functions of a traceback that are told.
const framesMax = 16

// panicked is what the host is told of a panic: what it said, and the author's functions that were under way. It is called
// where the panic is recovered.
func panicked(value any) host.Failure {
	err, is := value.(error)
	if !is {
		err = fmt.Errorf("%v", value)
	}
	told := failed(err)
	told.Message = "panic: " + told.Message
	var places []string
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for more := true; more && len(places) < framesMax; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if frame.Function == "" || strings.HasPrefix(frame.Function, "runtime.") {
			continue
		}
		if strings.HasPrefix(frame.Function, "cofferdam.dev/op.") {
			// Above it there is only the SDK; below the panic there is only what recovers it.
			if len(places) > 0 {
				break
			}
			continue
		}
		places = append(places, fmt.Sprintf("at %s, %s:%d", frame.Function, path.Base(frame.File), frame.Line))
	}
	told.Causes = append(told.Causes, places...)
	return told
}

// attempt runs an op and catches what it panics with.
func attempt(op Op, ctx *Context, given host.Invocation) (outputs []host.Output, failure *host.Failure) {
	defer func() {
		if value := recover(); value != nil {
			told := panicked(value)
			outputs, failure = nil, &told
		}
	}()
	outputs, err := op.run(ctx, given)
	if err != nil {
		told := failed(err)
		return nil, &told
	}
	return outputs, nil
}
