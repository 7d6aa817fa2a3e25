package op

import (
	"sync"
	"unsafe"

	"cofferdam.dev/op/internal/host"
)

// The functions of the host. It reads what it is given before it asks for memory, so nothing has to be held meanwhile; where
// it answers to escapes to the heap and does not move.

//go:wasmimport cofferdam:op/context@0.1.0 attempt
func hostAttempt(into *abiAttempt)

//go:wasmimport cofferdam:op/context@0.1.0 remaining-ms
func hostRemaining(into *abiSize)

//go:wasmimport cofferdam:op/context@0.1.0 log
func hostLog(level uint32, message string, fields unsafe.Pointer, count uint32)

//go:wasmimport cofferdam:op/context@0.1.0 progress
func hostProgress(done uint64, limited uint32, total uint64, message string)

//go:wasmimport cofferdam:op/context@0.1.0 add-metadata
func hostMetadata(facts unsafe.Pointer, count uint32)

//go:wasmimport cofferdam:op/values@0.1.0 open
func hostOpen(number uint32, into *abiAnswer)

//go:wasmimport cofferdam:op/values@0.1.0 create
func hostCreate(into *abiAnswer)

//go:wasmimport cofferdam:op/values@0.1.0 [method]reader.size
func hostReaderSize(reader uint32) uint64

//go:wasmimport cofferdam:op/values@0.1.0 [method]reader.read
func hostReaderRead(reader uint32, offset uint64, length uint32, into *abiAnswer)

//go:wasmimport cofferdam:op/values@0.1.0 [method]writer.write
func hostWriterWrite(writer uint32, at unsafe.Pointer, size uint32, into *abiDone)

//go:wasmimport cofferdam:op/values@0.1.0 [method]writer.finish
func hostWriterFinish(writer uint32, into *abiAnswer)

//go:wasmimport wasi_snapshot_preview1 hold_clock
func holdClock(held uint32)

// While the host puts its answer into memory, nothing else may call it: neither another goroutine, nor the collector, which
// asks for the time.
var calling sync.Mutex

// call makes a call whose answer needs memory.
func call(host func()) {
	calling.Lock()
	holdClock(1)
	host()
	holdClock(0)
	calling.Unlock()
}

// sandbox is the host of an attempt in the sandbox.
type sandbox struct{}

func (sandbox) Attempt() host.Attempt {
	var found abiAttempt
	call(func() { hostAttempt(&found) })
	attempt := host.Attempt{
		RunID: found.runID.text(), StepKey: found.stepKey.text(), Attempt: found.attempt,
		IdempotencyKey: found.idempotencyKey.text(), Partition: found.partition.text(),
	}
	for _, tag := range elements[abiPair](found.tags.at, found.tags.size) {
		attempt.Tags = append(attempt.Tags, host.Tag{Name: tag.name.text(), Value: tag.value.text()})
	}
	return attempt
}

func (sandbox) Remaining() (uint64, bool) {
	var left abiSize
	hostRemaining(&left)
	return left.more, left.failed&1 == 1
}

func (sandbox) Log(level host.Level, message string, fields []host.Field) {
	var a arena
	pairs := make([]abiPair, len(fields))
	for i, field := range fields {
		pairs[i] = abiPair{name: a.text(field.Name), value: a.text(field.Value)}
	}
	hostLog(uint32(level), message, unsafe.Pointer(unsafe.SliceData(pairs)), uint32(len(pairs)))
	a.release()
}

func (sandbox) Progress(done, total uint64, message string) {
	hostProgress(done, uint32(truth(total != 0)), total, message)
}

func (sandbox) AddMetadata(facts []host.Fact) {
	var a arena
	lowered := a.facts(facts)
	hostMetadata(unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)))
	a.release()
}

func (sandbox) Open(number uint32) (host.Reader, error) {
	var opened abiAnswer
	hostOpen(number, &opened)
	return stored(opened.first), opened.valueError()
}

func (sandbox) Create() (host.Writer, error) {
	var created abiAnswer
	hostCreate(&created)
	return started(created.first), created.valueError()
}

type stored uint32

func (s stored) Size() uint64 { return hostReaderSize(uint32(s)) }

func (s stored) Read(offset uint64, length uint32) ([]byte, error) {
	var read abiAnswer
	call(func() { hostReaderRead(uint32(s), offset, length, &read) })
	if err := read.valueError(); err != nil {
		return nil, err
	}
	return taken(read.first, read.second), nil
}

type started uint32

func (s started) Write(bytes []byte) error {
	var done abiDone
	hostWriterWrite(uint32(s), unsafe.Pointer(unsafe.SliceData(bytes)), uint32(len(bytes)), &done)
	if done.failed&1 == 1 {
		return host.ValueError(done.code)
	}
	return nil
}

func (s started) Finish() (uint32, error) {
	var finished abiAnswer
	hostWriterFinish(uint32(s), &finished)
	return finished.first, finished.valueError()
}
