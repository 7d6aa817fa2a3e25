// Package cbor carries Go values as CBOR (RFC 8949): written in the deterministic form of its section 4.2, read into the
// types that an author declares.
package cbor

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Field is one field of a struct, as values have it.
type Field struct {
	// Name is that of the tag `json`, or else the field's own in snake case.
	Name  string
	Index []int
	Type  reflect.Type
	Tag   reflect.StructTag
	// Omit says whether the field may be absent: its tag has `omitempty`, `omitzero` or a default.
	Omit bool
	// Empty says whether a zero value is left out.
	Empty bool
	head  []byte
}

// Default is what an absent field holds, as its tag says.
func (f Field) Default() (string, bool) { return f.Tag.Lookup("default") }

var known sync.Map

// Fields lists the fields of a struct in the order of its declaration; those of embedded structs are its own.
func Fields(t reflect.Type) []Field {
	if found, ok := known.Load(t); ok {
		return found.([]Field)
	}
	var fields []Field
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" && options == "" {
			continue
		}
		if field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct {
			for _, inner := range Fields(field.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				fields = append(fields, inner)
			}
			continue
		}
		if !field.IsExported() {
			continue
		}
		if name == "" {
			name = snake(field.Name)
		}
		words := strings.Split(options, ",")
		empty := slices.Contains(words, "omitempty") || slices.Contains(words, "omitzero")
		_, has := field.Tag.Lookup("default")
		fields = append(fields, Field{
			Name: name, Index: []int{i}, Type: field.Type, Tag: field.Tag,
			Omit: empty || has, Empty: empty, head: appendText(nil, name),
		})
	}
	known.Store(t, fields)
	return fields
}

// snake writes `RunID` as `run_id`.
func snake(name string) string {
	var out strings.Builder
	letters := []rune(name)
	for i, letter := range letters {
		if unicode.IsUpper(letter) && i > 0 {
			next := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if !unicode.IsUpper(letters[i-1]) || next {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(letter))
	}
	return out.String()
}

var (
	marshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// IsText says whether values of a type are written as text and read from it, as those of time.Time.
func IsText(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface &&
		t.Implements(marshaler) && reflect.PointerTo(t).Implements(unmarshaler)
}
