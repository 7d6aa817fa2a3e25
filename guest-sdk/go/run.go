package op

import (
	"fmt"
	"math"
	"reflect"

	"cofferdam.dev/op/internal/cbor"
	"cofferdam.dev/op/internal/host"
)

// A value that is longer is handed over by a writer.
const inlineBytesMax = 64 * 1024

// read puts what an attempt is given into the author's struct.
func (i inputs) read(ctx *Context, given host.Invocation, into reflect.Value) error {
	for at, field := range i.places {
		into.FieldByIndex(field.Index).Set(reflect.ValueOf(ctx.host.Resource(i.needs[at].Kind, field.Name)))
	}
	if i.config != nil {
		if err := cbor.Unmarshal(given.Config, into.FieldByIndex(i.config.Index)); err != nil {
			return wrong(fmt.Errorf("config: %w", err))
		}
	}
	byName := map[string]*host.Input{}
	for at := range given.Inputs {
		byName[given.Inputs[at].Name] = &given.Inputs[at]
	}
	for _, port := range i.ports {
		if err := port.read(ctx, byName[port.spec.Name], port.in(into)); err != nil {
			return at("input", port.spec.Name, err)
		}
	}
	return nil
}

// wrong is an error that would come again.
func wrong(err error) error { return &Failure{Message: err.Error(), Permanent: true} }

// at says where an error of the SDK arose.
func at(what, name string, err error) error {
	place := fmt.Sprintf("%s `%s`: ", what, name)
	if failure, is := err.(*Failure); is {
		told := *failure
		told.Message = place + told.Message
		return &told
	}
	return fmt.Errorf("%s%w", place, err)
}

func (p port) read(ctx *Context, input *host.Input, into reflect.Value) error {
	if input == nil {
		if err := cbor.Absent(p.field, into); err != nil {
			return wrong(err)
		}
		return nil
	}
	if !p.spec.Several {
		if input.IsMany {
			return wrong(fmt.Errorf("it takes one value, there are %d", len(input.Many)))
		}
		if p.pointer {
			into.Set(reflect.New(into.Type().Elem()))
			into = into.Elem()
		}
		return p.value(ctx, input.One, into)
	}
	elements := input.Many
	if !input.IsMany {
		elements = []host.Element{{Value: input.One}}
	}
	into.Set(reflect.MakeSlice(into.Type(), len(elements), len(elements)))
	for at, element := range elements {
		if element.Key != nil {
			into.Index(at).FieldByName("Key").SetString(*element.Key)
		}
		if err := p.value(ctx, element.Value, into.Index(at).FieldByName("Value")); err != nil {
			return err
		}
	}
	return nil
}

func (p port) value(ctx *Context, value host.Value, into reflect.Value) error {
	opened, err := open(ctx, value)
	if err != nil {
		return err
	}
	if p.kind == reader {
		into.Set(reflect.ValueOf(opened))
		return nil
	}
	bytes, err := opened.all()
	if err != nil {
		return err
	}
	switch p.kind {
	case wholeBytes:
		into.SetBytes(bytes)
	case wholeText:
		into.SetString(string(bytes))
	default:
		if err := cbor.Unmarshal(bytes, into); err != nil {
			return wrong(err)
		}
	}
	return nil
}

// give takes the outputs out of what the author returned.
func (o outputs) give(ctx *Context, from reflect.Value) ([]host.Output, error) {
	var given []host.Output
	for _, port := range o.ports {
		made, err := port.give(ctx, port.in(from))
		if err != nil {
			return nil, at("output", port.spec.Name, err)
		}
		given = append(given, made...)
	}
	return given, nil
}

func (p port) give(ctx *Context, from reflect.Value) ([]host.Output, error) {
	if !p.spec.Several {
		if p.field.Omit && from.IsZero() {
			return nil, nil
		}
		var facts Metadata
		if p.described {
			facts = from.FieldByName("Metadata").Interface().(Metadata)
			from = from.FieldByName("Value")
		}
		if p.pointer {
			from = from.Elem()
		}
		value, err := p.encode(ctx, from)
		return []host.Output{{Name: p.spec.Name, Value: value, Metadata: facts.list()}}, err
	}
	given := make([]host.Output, 0, from.Len())
	keys := map[string]bool{}
	for at := range from.Len() {
		element := from.Index(at)
		key := element.FieldByName("Key").String()
		if keys[key] {
			return nil, wrong(fmt.Errorf("the key `%s` is used twice", key))
		}
		keys[key] = true
		value, err := p.encode(ctx, element.FieldByName("Value"))
		if err != nil {
			return nil, err
		}
		facts := element.FieldByName("Metadata").Interface().(Metadata)
		given = append(given, host.Output{Name: p.spec.Name, Key: &key, Value: value, Metadata: facts.list()})
	}
	return given, nil
}

func (p port) encode(ctx *Context, from reflect.Value) (value host.Value, err error) {
	var bytes []byte
	switch p.kind {
	case writer:
		written, _ := from.Interface().(*Writer)
		if written == nil {
			return value, wrong(fmt.Errorf("the writer is nil"))
		}
		value, err = written.finish()
		value.MediaType = p.spec.MediaType
		return value, err
	case wholeBytes:
		bytes = from.Bytes()
	case wholeText:
		bytes = []byte(from.String())
	default:
		if bytes, err = cbor.Marshal(from); err != nil {
			return value, wrong(err)
		}
	}
	if len(bytes) <= inlineBytesMax {
		return host.Value{MediaType: p.spec.MediaType, Bytes: bytes}, nil
	}
	large := ctx.Create()
	if _, err = large.Write(bytes); err != nil {
		return value, err
	}
	value, err = large.finish()
	value.MediaType = p.spec.MediaType
	return value, err
}

// Bytes of memory that a slice can have, in the sandbox too.
const sizeMax = math.MaxInt32
