package op

import (
	"errors"
	"fmt"
	"io"

	"cofferdam.dev/op/internal/host"
)

// Bytes that are read or written at a time: what suits the host best.
const chunkBytes = 256 * 1024

// Reader reads an input of any size, piece by piece or from anywhere. It is an io.Reader, io.ReaderAt and io.Seeker.
type Reader struct {
	from host.Reader
	size int64
	at   int64
	// What was read ahead, and from where.
	piece   []byte
	pieceAt int64
}

// inline is a value that is in memory.
type inline []byte

func (i inline) Size() uint64 { return uint64(len(i)) }

func (i inline) Read(offset uint64, length uint32) ([]byte, error) {
	rest := i[min(offset, uint64(len(i))):]
	return rest[:min(uint64(length), uint64(len(rest)))], nil
}

// NewReader reads bytes that are in memory: for tests of ops that take a Reader.
func NewReader(bytes []byte) *Reader { return &Reader{from: inline(bytes), size: int64(len(bytes))} }

func open(ctx *Context, value host.Value) (*Reader, error) {
	if !value.Stored {
		return NewReader(value.Bytes), nil
	}
	from, err := ctx.host.Open(value.Number)
	if err != nil {
		return nil, failing("open it", err)
	}
	return &Reader{from: from, size: int64(from.Size())}, nil
}

func failing(doing string, err error) error {
	var code host.ValueError
	permanent := errors.As(err, &code) && code.Permanent()
	return &Failure{Message: "cannot " + doing, Cause: err, Permanent: permanent}
}

// Size is the number of bytes in all.
func (r *Reader) Size() int64 { return r.size }

// Read reads on.
func (r *Reader) Read(into []byte) (int, error) {
	n, err := r.some(into, r.at)
	r.at += int64(n)
	return n, err
}

// some reads what one request gives.
func (r *Reader) some(into []byte, at int64) (int, error) {
	if at >= r.size {
		return 0, io.EOF
	}
	if len(into) == 0 {
		return 0, nil
	}
	if at < r.pieceAt || at >= r.pieceAt+int64(len(r.piece)) {
		piece, err := r.from.Read(uint64(at), chunkBytes)
		if err != nil {
			return 0, failing("read the input", err)
		}
		if len(piece) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		r.piece, r.pieceAt = piece, at
	}
	return copy(into, r.piece[at-r.pieceAt:]), nil
}

// ReadAt reads from an offset, wherever Read is.
func (r *Reader) ReadAt(into []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("an offset below 0")
	}
	done := 0
	for done < len(into) {
		n, err := r.some(into[done:], offset+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Seek moves to where Read reads on.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("an offset below 0")
	}
	r.at = offset
	return offset, nil
}

// all gives the whole value.
func (r *Reader) all() ([]byte, error) {
	if whole, is := r.from.(inline); is {
		return whole, nil
	}
	if r.size > sizeMax {
		return nil, wrong(fmt.Errorf("%d bytes are more than memory has: take a *op.Reader", r.size))
	}
	bytes := make([]byte, r.size)
	_, err := io.ReadFull(r, bytes)
	return bytes, err
}

// Writer writes one output piece by piece; at most 256 KiB are in memory. Return it as the output when all is written;
// [Context.Create] makes it.
type Writer struct {
	host  host.Host
	to    host.Writer
	piece []byte
	err   error
}

// Write appends.
func (w *Writer) Write(bytes []byte) (int, error) {
	for rest := bytes; len(rest) > 0 && w.err == nil; {
		n := min(len(rest), chunkBytes-len(w.piece))
		w.piece = append(w.piece, rest[:n]...)
		rest = rest[n:]
		if len(w.piece) == chunkBytes {
			w.flush()
		}
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(bytes), nil
}

func (w *Writer) flush() {
	if w.to == nil {
		to, err := w.host.Create()
		if err != nil {
			w.err = failing("start the output", err)
			return
		}
		w.to = to
	}
	if err := w.to.Write(w.piece); err != nil {
		w.err = failing("write the output", err)
	}
	w.piece = w.piece[:0]
}

// finish ends the value: a short one is handed over as it is.
func (w *Writer) finish() (host.Value, error) {
	if w.err == nil && w.to == nil && len(w.piece) <= inlineBytesMax {
		return host.Value{Bytes: w.piece}, nil
	}
	if w.err == nil && len(w.piece) > 0 {
		w.flush()
	}
	if w.err != nil {
		return host.Value{}, w.err
	}
	number, err := w.to.Finish()
	if err != nil {
		return host.Value{}, failing("finish the output", err)
	}
	return host.Value{Stored: true, Number: number}, nil
}

// Written is for package optest: what a writer has written, where the test keeps what was stored.
func Written(w *Writer, stored func(number uint32) []byte) ([]byte, error) {
	value, err := w.finish()
	if err != nil || !value.Stored {
		return value.Bytes, err
	}
	return stored(value.Number), nil
}
