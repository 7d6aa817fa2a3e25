package op

import "io"

// FaultKind says why a call on a resource did not succeed.
type FaultKind uint8

// Kinds of faults, in the order of the contract.
const (
	// Denied: the op has no such resource, or its settings forbid the call.
	Denied FaultKind = iota
	// Invalid: the call makes no sense.
	Invalid
	// Unavailable: the other side cannot be reached; trying again may help.
	Unavailable
	// Refused: the other side refused or failed.
	Refused
	// TooLarge: the request or the answer is larger than allowed.
	TooLarge
)

// Fault is the error of a call on a resource.
type Fault struct {
	// Resource is the op's own name for it.
	Resource string
	Kind     FaultKind
	Message  string
}

func (f *Fault) Error() string { return "resource `" + f.Resource + "`: " + f.Message }

// Permanent says whether the same call would end the same way.
func (f *Fault) Permanent() bool { return f.Kind == Denied || f.Kind == Invalid || f.Kind == TooLarge }

// What an op uses outside is a field of its inputs, of one of these types: the definitions say what is behind it, and what
// the op does not name it cannot reach. Package optest has some in memory, for tests.
type (
	// KeyValue is bytes by key.
	KeyValue interface {
		// Get gives what is under the key; false if nothing is.
		Get(key string) ([]byte, bool, error)
		// Set replaces what is there.
		Set(key string, value []byte) error
		// Remove succeeds as well if there is nothing.
		Remove(key string) error
		// Keys lists those that begin so, sorted.
		Keys(prefix string) ([]string, error)
	}

	// Settings are named texts, secrets among them: what is read here must not be logged.
	Settings interface {
		// Get is false if there is no such setting.
		Get(key string) (string, bool, error)
	}

	// Blob is objects in a bucket or folder.
	Blob interface {
		// Read gives a whole object; false if there is none.
		Read(path string) ([]byte, bool, error)
		// Open reads an object piece by piece; false if there is none.
		Open(path string) (io.ReaderAt, int64, bool, error)
		// Write replaces the whole object, at once.
		Write(path string, content []byte) error
		// Remove succeeds as well if there is nothing.
		Remove(path string) error
		// Paths lists those that begin so, sorted.
		Paths(prefix string) ([]string, error)
	}

	// HTTP is requests to the base address of a resource; the host adds what its settings say, such as credentials.
	HTTP interface {
		// Send waits for the whole answer. A status of an error is an answer.
		Send(request Request) (Response, error)
	}

	// SQL is a database.
	SQL interface {
		// Query gives all rows. Parameters are nil, truths, numbers, texts and bytes.
		Query(text string, parameters ...any) (Rows, error)
		// Execute gives the number of rows that the statement touched.
		Execute(text string, parameters ...any) (uint64, error)
		// Transact does all of the statements or none.
		Transact(statements ...Statement) (uint64, error)
	}

	// Command is one program of the host, from its operator's list.
	Command interface {
		// Run waits for its end. A code of an error is an answer.
		Run(stdin []byte, arguments ...string) (Outcome, error)
	}
)

// Header of a request or an answer.
type Header struct{ Name, Value string }

// Request of HTTP. Method is GET if it is empty; the path, with its query, is relative to the base address.
type Request struct {
	Method, Path string
	Headers      []Header
	Body         []byte
}

// Response of HTTP.
type Response struct {
	Status  int
	Headers []Header
	Body    []byte
}

// Statement with its parameters, written `?` in SQLite and `$1` in PostgreSQL.
type Statement struct {
	Text       string
	Parameters []any
}

// Rows of a query: each value is nil, bool, int64, float64, string or []byte.
type Rows struct {
	Columns []string
	Values  [][]any
}

// Maps gives each row by the names of its columns.
func (r Rows) Maps() []map[string]any {
	rows := make([]map[string]any, len(r.Values))
	for i, values := range r.Values {
		rows[i] = make(map[string]any, len(values))
		for at, value := range values {
			rows[i][r.Columns[at]] = value
		}
	}
	return rows
}

// Outcome of a command. Code is nil if a signal ended it.
type Outcome struct {
	Code           *int
	Stdout, Stderr []byte
}
