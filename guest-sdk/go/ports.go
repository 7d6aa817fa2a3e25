package op

import (
	"errors"
	"fmt"
	"reflect"

	"cofferdam.dev/op/internal/cbor"
	"cofferdam.dev/op/internal/host"
	"cofferdam.dev/op/internal/schema"
)

const (
	mediaCBOR  = "application/cbor"
	mediaBytes = "application/octet-stream"
)

// Outputs is embedded by a struct whose fields are outputs of their own.
type Outputs struct{}

// Keyed is a value with its mapping key; Metadata are facts that are shown with it.
type Keyed[T any] struct {
	Key      string
	Value    T
	Metadata Metadata
}

// Many is an input that takes a fan-in list or a collected dynamic output. A value of a list has no key.
type Many[T any] []Keyed[T]

func (Many[T]) several() {}

// Values are the values without their keys.
func (m Many[T]) Values() []T {
	values := make([]T, len(m))
	for i := range m {
		values[i] = m[i].Value
	}
	return values
}

// Dynamic is an output that fans out, in this order. A key is made of letters, digits and `_`, and is used once.
type Dynamic[T any] []Keyed[T]

func (Dynamic[T]) several() {}

// Add appends a value under a key.
func (d *Dynamic[T]) Add(key string, value T) { *d = append(*d, Keyed[T]{Key: key, Value: value}) }

// Described is an output with facts that are shown with it.
type Described[T any] struct {
	Value    T
	Metadata Metadata
}

func (Described[T]) described() {}

var (
	severalType   = reflect.TypeFor[interface{ several() }]()
	describedType = reflect.TypeFor[interface{ described() }]()
	outputsType   = reflect.TypeFor[Outputs]()
	noneType      = reflect.TypeFor[None]()
	readerType    = reflect.TypeFor[*Reader]()
	writerType    = reflect.TypeFor[*Writer]()
	resources     = map[reflect.Type]host.Kind{
		reflect.TypeFor[HTTP](): host.HTTP, reflect.TypeFor[KeyValue](): host.KeyValue, reflect.TypeFor[Blob](): host.Blob,
		reflect.TypeFor[SQL](): host.SQL, reflect.TypeFor[Settings](): host.Config, reflect.TypeFor[Command](): host.Command,
	}
)

// kind says how the values of a port are carried.
type kind int

const (
	structured kind = iota
	wholeBytes
	wholeText
	reader
	writer
)

// port is an input or an output, and where it is in the author's struct. The whole result is an output without an index.
type port struct {
	spec  host.Port
	kind  kind
	field cbor.Field
	// Of an optional one that is a pointer: what is absent is nil.
	pointer   bool
	described bool
}

func (p port) in(from reflect.Value) reflect.Value {
	if p.field.Index == nil {
		return from
	}
	return from.FieldByIndex(p.field.Index)
}

// shape finds how values of a type are carried, with the tags of their field.
func (p *port) shape(t reflect.Type) error {
	media := p.field.Tag.Get("media")
	bytes := t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !cbor.IsText(t)
	switch {
	case t == readerType:
		p.kind = reader
	case t == writerType:
		p.kind = writer
	case bytes:
		p.kind = wholeBytes
	case t.Kind() == reflect.String && media != "":
		p.kind = wholeText
	case media != "":
		return fmt.Errorf("a value of the Go type %s has no media type of its own: bytes and texts have", t)
	default:
		written, err := schema.Of(t, p.field.Tag, false)
		p.spec.MediaType, p.spec.Schema = mediaCBOR, written
		return err
	}
	if media == "" {
		media = mediaBytes
	}
	p.spec.MediaType, p.spec.Schema = media, "true"
	return nil
}

// Types that have no place where a value is wanted.
func misplaced(t reflect.Type, output bool) error {
	switch {
	case output && t == readerType:
		return errors.New("*op.Reader is for inputs: return a *op.Writer or []byte")
	case !output && t == writerType:
		return errors.New("*op.Writer is for outputs: take a *op.Reader or []byte")
	}
	return nil
}

func portOf(field cbor.Field, output bool) (port, error) {
	p := port{field: field}
	p.spec = host.Port{Name: field.Name, Doc: field.Tag.Get("doc"), Required: !field.Omit}
	t := field.Type
	switch {
	case t.Implements(severalType):
		p.spec.Several = true
		value, _ := t.Elem().FieldByName("Value")
		t = value.Type
	case output && t.Implements(describedType):
		p.described = true
		t = t.Field(0).Type
	case field.Omit && t.Kind() == reflect.Pointer && t != readerType && t != writerType:
		p.pointer = true
		t = t.Elem()
	}
	if err := misplaced(t, output); err != nil {
		return p, err
	}
	return p, p.shape(t)
}

// inputs are what a struct of the author takes.
type inputs struct {
	ports  []port
	config *cbor.Field
	schema string
	needs  []host.Need
	places []cbor.Field
}

func specs(ports []port) []host.Port {
	list := make([]host.Port, len(ports))
	for i := range ports {
		list[i] = ports[i].spec
	}
	return list
}

func (i inputs) specs() []host.Port { return specs(i.ports) }

func inputsOf(t reflect.Type) (in inputs, problems []string) {
	if t.Kind() != reflect.Struct {
		return in, []string{fmt.Sprintf("its inputs are of the Go type %s: they are the fields of a struct, or op.None", t)}
	}
	for _, field := range cbor.Fields(t) {
		wrong := func(what string, err error) {
			if err != nil {
				problems = append(problems, fmt.Sprintf("%s `%s`: %v", what, field.Name, err))
			}
		}
		if need, is := resources[field.Type]; is {
			in.needs = append(in.needs, host.Need{Name: field.Name, Kind: need, Doc: field.Tag.Get("doc")})
			in.places = append(in.places, field)
			continue
		}
		if field.Tag.Get("op") == "config" {
			var err error
			in.config = &field
			in.schema, err = schema.Of(field.Type, "", true)
			if err == nil && field.Type.Kind() != reflect.Struct {
				err = fmt.Errorf("the Go type %s is no struct", field.Type)
			}
			wrong("config", err)
			continue
		}
		made, err := portOf(field, false)
		wrong("input", err)
		in.ports = append(in.ports, made)
	}
	return in, problems
}

// outputs are what a result of the author gives.
type outputs struct{ ports []port }

func (o outputs) specs() []host.Port { return specs(o.ports) }

func outputsOf(t reflect.Type) (out outputs, problems []string) {
	if t == noneType {
		return out, nil
	}
	add := func(field cbor.Field) {
		made, err := portOf(field, true)
		if err != nil {
			problems = append(problems, fmt.Sprintf("output `%s`: %v", field.Name, err))
		}
		out.ports = append(out.ports, made)
	}
	if t.Kind() == reflect.Struct {
		if marker, has := t.FieldByName("Outputs"); has && marker.Anonymous && marker.Type == outputsType {
			for _, field := range cbor.Fields(t) {
				add(field)
			}
			return out, problems
		}
	}
	add(cbor.Field{Name: "result", Type: t})
	return out, problems
}
