package op

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"cofferdam.dev/op/internal/host"
)

// Metadata are facts by name.
type Metadata map[string]any

// Texts that are shown in a way of their own.
type (
	// URL is shown as a link.
	URL string
	// Path is shown as the place of a file.
	Path string
	// JSON is a text in JSON.
	JSON string
	// Markdown is shown as it says.
	Markdown string
	// Table is a text in JSON: a list of objects, a row each.
	Table string
)

// list gives facts in the order of their names.
func (m Metadata) list() []host.Fact {
	facts := make([]host.Fact, 0, len(m))
	for name, value := range m {
		facts = append(facts, factOf(name, value))
	}
	slices.SortFunc(facts, func(a, b host.Fact) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return facts
}

func factOf(name string, value any) host.Fact {
	fact := host.Fact{Name: name}
	switch value := value.(type) {
	case URL:
		fact.Kind, fact.Text = host.URL, string(value)
	case Path:
		fact.Kind, fact.Text = host.Path, string(value)
	case JSON:
		fact.Kind, fact.Text = host.JSON, string(value)
	case Markdown:
		fact.Kind, fact.Text = host.Markdown, string(value)
	case Table:
		fact.Kind, fact.Text = host.Table, string(value)
	case time.Time:
		fact.Kind, fact.Text = host.Timestamp, value.Format(time.RFC3339Nano)
	case fmt.Stringer:
		fact.Text = value.String()
	default:
		basic(&fact, reflect.ValueOf(value))
	}
	return fact
}

// basic states numbers and truths of any type; everything else is a text.
func basic(fact *host.Fact, value reflect.Value) {
	switch {
	case !value.IsValid():
		fact.Text = "nil"
	case value.Kind() == reflect.Bool:
		fact.Kind, fact.Truth = host.Truth, value.Bool()
	case value.CanInt():
		fact.Kind, fact.Integer = host.Integer, value.Int()
	case value.CanUint() && value.Uint() < 1<<63:
		fact.Kind, fact.Integer = host.Integer, int64(value.Uint())
	case value.CanFloat():
		fact.Kind, fact.Number = host.Number, value.Float()
	default:
		fact.Text = fmt.Sprint(value.Interface())
	}
}
