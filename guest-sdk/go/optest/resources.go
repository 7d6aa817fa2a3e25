package optest

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"

	"cofferdam.dev/op"
)

// KeyValue is a store in memory.
type KeyValue map[string][]byte

// Get is that of op.KeyValue.
func (s KeyValue) Get(key string) ([]byte, bool, error) {
	value, has := s[key]
	return value, has, nil
}

// Set is that of op.KeyValue.
func (s KeyValue) Set(key string, value []byte) error {
	s[key] = value
	return nil
}

// Remove is that of op.KeyValue.
func (s KeyValue) Remove(key string) error {
	delete(s, key)
	return nil
}

// Keys is that of op.KeyValue.
func (s KeyValue) Keys(prefix string) ([]string, error) { return beginning(s, prefix), nil }

func beginning(of map[string][]byte, prefix string) []string {
	names := slices.Sorted(maps.Keys(of))
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// Blob is objects in memory.
type Blob map[string][]byte

// Read is that of op.Blob.
func (s Blob) Read(path string) ([]byte, bool, error) {
	content, has := s[path]
	return content, has, nil
}

// Open is that of op.Blob.
func (s Blob) Open(path string) (io.ReaderAt, int64, bool, error) {
	content, has := s[path]
	return bytes.NewReader(content), int64(len(content)), has, nil
}

// Write is that of op.Blob.
func (s Blob) Write(path string, content []byte) error {
	s[path] = content
	return nil
}

// Remove is that of op.Blob.
func (s Blob) Remove(path string) error {
	delete(s, path)
	return nil
}

// Paths is that of op.Blob.
func (s Blob) Paths(prefix string) ([]string, error) { return beginning(s, prefix), nil }

// Settings are in memory.
type Settings map[string]string

// Get is that of op.Settings.
func (s Settings) Get(key string) (string, bool, error) {
	value, has := s[key]
	return value, has, nil
}

// HTTP answers requests with a function.
type HTTP func(op.Request) (op.Response, error)

// Send is that of op.HTTP.
func (f HTTP) Send(request op.Request) (op.Response, error) { return f(request) }

// Command answers with a function.
type Command func(stdin []byte, arguments []string) (op.Outcome, error)

// Run is that of op.Command.
func (f Command) Run(stdin []byte, arguments ...string) (op.Outcome, error) {
	return f(stdin, arguments)
}

// SQL answers each statement with a function; what touches rows says how many there are in the rows that it gives.
type SQL func(statement op.Statement) (op.Rows, error)

// Query is that of op.SQL.
func (f SQL) Query(text string, parameters ...any) (op.Rows, error) {
	return f(op.Statement{Text: text, Parameters: parameters})
}

// Execute is that of op.SQL.
func (f SQL) Execute(text string, parameters ...any) (uint64, error) {
	return f.Transact(op.Statement{Text: text, Parameters: parameters})
}

// Transact is that of op.SQL.
func (f SQL) Transact(statements ...op.Statement) (touched uint64, err error) {
	for _, statement := range statements {
		rows, err := f(statement)
		if err != nil {
			return 0, err
		}
		touched += uint64(len(rows.Values))
	}
	return touched, nil
}

// What is in memory has the interfaces of what is lent.
var (
	_ op.KeyValue = KeyValue{}
	_ op.Blob     = Blob{}
	_ op.Settings = Settings{}
	_ op.HTTP     = HTTP(nil)
	_ op.Command  = Command(nil)
	_ op.SQL      = SQL(nil)
)
