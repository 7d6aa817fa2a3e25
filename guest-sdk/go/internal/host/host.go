// Package host is what an attempt may ask of those who run it: the sandbox, or a test. Shapes are those of the contract
// (`wit/`).
package host

// Level of a log line.
type Level uint8

// Levels, from the least important one.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Field of a log line.
type Field struct{ Name, Value string }

// FactKind says how a fact is shown.
type FactKind uint8

// Kinds of facts, in the order of the contract.
const (
	Text FactKind = iota
	Integer
	Number
	Truth
	URL
	Path
	JSON
	Markdown
	Table
	Timestamp
)

// Fact is a named fact about a step or a value; its kind says which of the others holds it.
type Fact struct {
	Name    string
	Kind    FactKind
	Text    string
	Integer int64
	Number  float64
	Truth   bool
}

// Tag of a step.
type Tag struct{ Name, Value string }

// Attempt says who is running.
type Attempt struct {
	RunID, StepKey string
	Attempt        uint32
	IdempotencyKey string
	Partition      *string
	Tags           []Tag
}

// Value is bytes and how to read them. Stored ones are with the host, under a number.
type Value struct {
	MediaType string
	Bytes     []byte
	Stored    bool
	Number    uint32
}

// Element of an input that takes many.
type Element struct {
	Key   *string
	Value Value
}

// Input holds one value, or many elements.
type Input struct {
	Name   string
	IsMany bool
	One    Value
	Many   []Element
}

// Invocation is all that an attempt is given.
type Invocation struct {
	Config []byte
	Inputs []Input
}

// Output is one value that an op gives.
type Output struct {
	Name     string
	Key      *string
	Value    Value
	Metadata []Fact
}

// Retry says what an op knows about trying again.
type Retry uint8

// Advice, in the order of the contract.
const (
	ByPolicy Retry = iota
	Never
	After
)

// Failure is how an attempt failed.
type Failure struct {
	Message      string
	Causes       []string
	Retry        Retry
	Milliseconds uint64
	Metadata     []Fact
}

// Port is an input or an output. Several is many of an input and dynamic of an output.
type Port struct {
	Name, Doc, MediaType, Schema string
	Required, Several            bool
}

// Kind of a resource.
type Kind uint8

// Kinds, in the order of the contract.
const (
	HTTP Kind = iota
	KeyValue
	Blob
	SQL
	Config
	Command
)

// Need is a resource that an op uses.
type Need struct {
	Name string
	Kind Kind
	Doc  string
}

// Op as the library's description has it. Config is a schema, empty if it takes none.
type Op struct {
	Name, Doc       string
	Inputs, Outputs []Port
	Config          string
	Needs           []Need
	Pure            bool
}

// Reader of a stored input.
type Reader interface {
	Size() uint64
	// Read gives at most so many bytes from an offset; none past the end.
	Read(offset uint64, length uint32) ([]byte, error)
}

// Writer of an output.
type Writer interface {
	Write(bytes []byte) error
	Finish() (uint32, error)
}

// ValueError says why a large value cannot be read or written.
type ValueError uint8

// Errors, in the order of the contract.
const (
	Unknown ValueError = iota
	Unavailable
	Limit
	Finished
)

func (e ValueError) Error() string {
	return [...]string{
		"there is no such input", "the bytes cannot be read or stored now",
		"the limit on output bytes or open handles is reached", "the writer is finished",
	}[e&3]
}

// Permanent says whether another try would meet the same.
func (e ValueError) Permanent() bool { return e == Limit || e == Finished }

// Host is called by an attempt.
type Host interface {
	Attempt() Attempt
	Remaining() (milliseconds uint64, limited bool)
	Log(level Level, message string, fields []Field)
	// Progress has a total of 0 where none is known.
	Progress(done, total uint64, message string)
	AddMetadata(facts []Fact)
	Open(number uint32) (Reader, error)
	Create() (Writer, error)
	// Resource gives what has the interface of that kind in package op.
	Resource(kind Kind, name string) any
}
