// Package schema says in JSON Schema (draft 2020-12) what values a Go type has.
package schema

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"cofferdam.dev/op/internal/cbor"
)

// Enum is implemented by types of text that have a few values only.
type Enum interface{ Enum() []string }

// Of gives the schema of a type; the tags of the field that holds it say more. A closed one refuses keys that it does not
// list.
func Of(t reflect.Type, tag reflect.StructTag, closed bool) (string, error) {
	w := writer{closed: closed, names: map[reflect.Type]string{}, defs: map[string]string{}}
	members, err := w.members(t, tag)
	if err != nil {
		return "", err
	}
	if len(w.defs) > 0 {
		members = append(members, member{"$defs", w.definitions()})
	}
	return object(members), nil
}

type member struct{ key, value string }

func object(members []member) string {
	var out strings.Builder
	for i, member := range members {
		out.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		out.WriteString(Quote(member.key) + ":" + member.value)
	}
	if len(members) == 0 {
		return "{}"
	}
	return out.String() + "}"
}

func array(items []string) string { return "[" + strings.Join(items, ",") + "]" }

// Quote writes a text as JSON does.
func Quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, letter := range text {
		switch {
		case letter == '"' || letter == '\\':
			out.WriteByte('\\')
			out.WriteRune(letter)
		case letter < ' ':
			fmt.Fprintf(&out, `\u%04x`, letter)
		default:
			out.WriteRune(letter)
		}
	}
	out.WriteByte('"')
	return out.String()
}

type writer struct {
	closed bool
	// Structs that are being written, so that one that contains itself is noticed; and those that do.
	open  []reflect.Type
	names map[reflect.Type]string
	defs  map[string]string
}

func (w *writer) definitions() string {
	var members []member
	for i := range len(w.names) {
		name := "t" + strconv.Itoa(i)
		members = append(members, member{name, w.defs[name]})
	}
	return object(members)
}

var (
	enum   = reflect.TypeFor[Enum]()
	moment = reflect.TypeFor[time.Time]()
)

// members gives what the schema of a type says, with the tags of its field.
func (w *writer) members(t reflect.Type, tag reflect.StructTag) ([]member, error) {
	members, err := w.plain(t)
	if err != nil {
		return nil, err
	}
	for _, word := range []string{"minimum", "maximum"} {
		if bound, has := tag.Lookup(word); has {
			if _, err := strconv.ParseFloat(bound, 64); err != nil {
				return nil, fmt.Errorf("its %s `%s` is no number", word, bound)
			}
			members = replace(members, member{word, bound})
		}
	}
	if choices, has := tag.Lookup("enum"); has {
		members = append(members, member{"enum", choice(strings.Split(choices, ","))})
	}
	if doc := tag.Get("doc"); doc != "" {
		members = append(members, member{"description", Quote(doc)})
	}
	if written, has := tag.Lookup("default"); has {
		value := reflect.New(t).Elem()
		if err := cbor.SetDefault(value, written); err != nil {
			return nil, err
		}
		if base(t).Kind() == reflect.String {
			written = Quote(written)
		}
		members = append(members, member{"default", written})
	}
	return members, nil
}

func base(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func replace(members []member, with member) []member {
	for i := range members {
		if members[i].key == with.key {
			members[i] = with
			return members
		}
	}
	return append(members, with)
}

func choice(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = Quote(word)
	}
	return array(quoted)
}

func typed(name string, more ...member) []member {
	return append([]member{{"type", Quote(name)}}, more...)
}

func (w *writer) plain(t reflect.Type) ([]member, error) {
	if t == moment {
		return typed("string", member{"format", `"date-time"`}), nil
	}
	if t.Kind() == reflect.String && t.Implements(enum) {
		words := reflect.Zero(t).Interface().(Enum).Enum()
		return typed("string", member{"enum", choice(words)}), nil
	}
	if cbor.IsText(t) {
		return typed("string"), nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return typed("boolean"), nil
	case reflect.Int8, reflect.Int16, reflect.Int32:
		bits := t.Bits() - 1
		return typed("integer", member{"minimum", strconv.FormatInt(-1<<bits, 10)}, member{"maximum", strconv.FormatInt(1<<bits-1, 10)}), nil
	case reflect.Int, reflect.Int64:
		return typed("integer"), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return typed("integer", member{"minimum", "0"}, member{"maximum", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10)}), nil
	case reflect.Uint, reflect.Uint64:
		return typed("integer", member{"minimum", "0"}), nil
	case reflect.Float32, reflect.Float64:
		return typed("number"), nil
	case reflect.String:
		return typed("string"), nil
	case reflect.Pointer:
		return w.nullable(t.Elem())
	case reflect.Slice, reflect.Array:
		return w.list(t)
	case reflect.Map:
		if t.Key().Kind() != reflect.String || cbor.IsText(t.Key()) {
			return nil, fmt.Errorf("the Go type %s has no schema: keys of a map are texts", t)
		}
		inner, err := w.members(t.Elem(), "")
		return typed("object", member{"additionalProperties", object(inner)}), err
	case reflect.Struct:
		return w.structure(t)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("the Go type %s has no schema: values are booleans, numbers, texts, lists, maps and structs of them", t)
}

func (w *writer) nullable(t reflect.Type) ([]member, error) {
	inner, err := w.plain(t)
	if err != nil || len(inner) == 0 {
		return inner, err
	}
	if inner[0].key == "type" && inner[len(inner)-1].key != "enum" {
		inner[0].value = array([]string{inner[0].value, `"null"`})
		return inner, nil
	}
	return []member{{"anyOf", array([]string{object(inner), `{"type":"null"}`})}}, nil
}

func (w *writer) list(t reflect.Type) ([]member, error) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		return nil, errors.New("bytes are an input or an output of their own, not a part of a value")
	}
	inner, err := w.members(t.Elem(), "")
	if err != nil {
		return nil, err
	}
	members := typed("array", member{"items", object(inner)})
	if t.Kind() == reflect.Array {
		size := strconv.Itoa(t.Len())
		members = append(members, member{"minItems", size}, member{"maxItems", size})
	}
	return members, nil
}

func (w *writer) structure(t reflect.Type) ([]member, error) {
	for _, open := range w.open {
		if open != t {
			continue
		}
		if _, has := w.names[t]; !has {
			w.names[t] = "t" + strconv.Itoa(len(w.names))
		}
		return []member{{"$ref", Quote("#/$defs/" + w.names[t])}}, nil
	}
	w.open = append(w.open, t)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	var properties []member
	var required []string
	for _, field := range cbor.Fields(t) {
		inner, err := w.members(field.Type, field.Tag)
		if err != nil {
			return nil, fmt.Errorf("`%s`: %w", field.Name, err)
		}
		properties = append(properties, member{field.Name, object(inner)})
		if !field.Omit {
			required = append(required, field.Name)
		}
	}
	members := typed("object", member{"properties", object(properties)})
	if len(required) > 0 {
		members = append(members, member{"required", choice(required)})
	}
	if w.closed {
		members = append(members, member{"additionalProperties", "false"})
	}
	if name, has := w.names[t]; has {
		w.defs[name] = object(members)
		return []member{{"$ref", Quote("#/$defs/" + name)}}, nil
	}
	return members, nil
}
