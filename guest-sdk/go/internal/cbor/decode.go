package cbor

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"
)

// Unmarshal reads one value into a variable.
func Unmarshal(data []byte, into reflect.Value) error {
	d := decoder{data: data}
	if err := d.value(into, 0); err != nil {
		return err
	}
	if d.at < len(d.data) {
		return errors.New("there is more behind the value")
	}
	return nil
}

type decoder struct {
	data []byte
	at   int
}

var errCut = errors.New("the value is cut off")

// head reads the major type of an item and its argument; info tells the forms of numbers apart.
func (d *decoder) head() (major byte, info byte, argument uint64, err error) {
	if d.at >= len(d.data) {
		return 0, 0, 0, errCut
	}
	first := d.data[d.at]
	d.at++
	major, info = first>>5, first&31
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, 0, errors.New("a value of unknown length, which the deterministic form has not")
	}
	size := 1 << (info - 24)
	if len(d.data)-d.at < size {
		return 0, 0, 0, errCut
	}
	var wide [8]byte
	copy(wide[8-size:], d.data[d.at:d.at+size])
	d.at += size
	return major, info, binary.BigEndian.Uint64(wide[:]), nil
}

// peek gives the first byte of the next item.
func (d *decoder) peek() byte {
	if d.at < len(d.data) {
		return d.data[d.at]
	}
	return undefined
}

func (d *decoder) take(size uint64) ([]byte, error) {
	if size > uint64(len(d.data)-d.at) {
		return nil, errCut
	}
	taken := d.data[d.at : d.at+int(size)]
	d.at += int(size)
	return taken, nil
}

// count checks the number of items of a list or a map, each of which takes a byte at least.
func (d *decoder) count(argument uint64) (int, error) {
	if argument > uint64(len(d.data)-d.at) {
		return 0, errCut
	}
	return int(argument), nil
}

func (d *decoder) expect(wanted byte, name string) (uint64, error) {
	found := d.peek()
	if d.at < len(d.data) && found>>5 != wanted {
		return 0, fmt.Errorf("expected %s, found %s", name, nameOf(found))
	}
	_, _, argument, err := d.head()
	return argument, err
}

func nameOf(first byte) string {
	switch {
	case first == nullByte || first == undefined:
		return "null"
	case first == trueByte || first == falseByte:
		return "true or false"
	case first >= half && first <= double:
		return "a number"
	}
	return [...]string{"a whole number", "a whole number", "bytes", "a text", "a list", "an object", "a tagged value", "another value"}[first>>5]
}

func (d *decoder) text() (string, error) {
	size, err := d.expect(text, "a text")
	if err != nil {
		return "", err
	}
	found, err := d.take(size)
	if err == nil && !utf8.Valid(found) {
		err = errors.New("a text is not UTF-8")
	}
	return string(found), err
}

// number reads a whole number or a fraction.
func (d *decoder) number() (float64, error) {
	if first := d.peek(); first>>5 == positive || first>>5 == negative {
		major, _, argument, err := d.head()
		if major == negative {
			return -1 - float64(argument), err
		}
		return float64(argument), err
	} else if first < half || first > double {
		return 0, fmt.Errorf("expected a number, found %s", nameOf(first))
	}
	_, info, bits, err := d.head()
	switch info {
	case 25:
		return fromHalf(uint16(bits)), err
	case 26:
		return float64(math.Float32frombits(uint32(bits))), err
	default:
		return math.Float64frombits(bits), err
	}
}

func fromHalf(bits uint16) float64 {
	exponent, mantissa := int(bits>>10&31), float64(bits&1023)
	var size float64
	switch exponent {
	case 0:
		size = math.Ldexp(mantissa, -24)
	case 31:
		if size = math.Inf(1); mantissa != 0 {
			size = math.NaN()
		}
	default:
		size = math.Ldexp(mantissa+1024, exponent-25)
	}
	if bits&0x8000 != 0 {
		return -size
	}
	return size
}

// integer reads a whole number; one that is written as a fraction (`2.0`) is one in JSON Schema too.
func (d *decoder) integer() (value uint64, below bool, err error) {
	first := d.peek()
	if first >= half && first <= double {
		number, err := d.number()
		if err != nil || number != math.Trunc(number) || math.Abs(number) > 1<<53 {
			return 0, false, fmt.Errorf("expected a whole number, found %v", number)
		}
		if number < 0 {
			return uint64(-1 - number), true, nil
		}
		return uint64(number), false, nil
	}
	if first>>5 > negative {
		return 0, false, fmt.Errorf("expected a whole number, found %s", nameOf(first))
	}
	major, _, argument, err := d.head()
	return argument, major == negative, err
}

func (d *decoder) value(into reflect.Value, depth int) error {
	if depth > depthMax {
		return fmt.Errorf("a value is nested more than %d deep", depthMax)
	}
	t := into.Type()
	if IsText(t) {
		written, err := d.text()
		if err != nil {
			return err
		}
		return into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(written))
	}
	switch t.Kind() {
	case reflect.Bool:
		first := d.peek()
		if first != trueByte && first != falseByte {
			return fmt.Errorf("expected true or false, found %s", nameOf(first))
		}
		d.at++
		into.SetBool(first == trueByte)
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return d.signed(into)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return d.unsigned(into)
	case reflect.Float32, reflect.Float64:
		number, err := d.number()
		into.SetFloat(number)
		return err
	case reflect.String:
		found, err := d.text()
		into.SetString(found)
		return err
	case reflect.Pointer:
		if first := d.peek(); first == nullByte || first == undefined {
			d.at++
			into.SetZero()
			return nil
		}
		into.Set(reflect.New(t.Elem()))
		return d.value(into.Elem(), depth+1)
	case reflect.Interface:
		found, err := d.any(depth)
		if err == nil && found != nil {
			into.Set(reflect.ValueOf(found))
		}
		return err
	case reflect.Slice, reflect.Array:
		return d.list(into, depth)
	case reflect.Map:
		return d.dictionary(into, depth)
	case reflect.Struct:
		return d.structure(into, depth)
	default:
		return fmt.Errorf("a value cannot be read into the Go type %s", t)
	}
}

func (d *decoder) signed(into reflect.Value) error {
	found, below, err := d.integer()
	if err != nil {
		return err
	}
	value := int64(found)
	if below {
		value = -1 - value
	}
	if found > math.MaxInt64 || into.OverflowInt(value) {
		return fmt.Errorf("the number is outside of the Go type %s", into.Type())
	}
	into.SetInt(value)
	return nil
}

func (d *decoder) unsigned(into reflect.Value) error {
	found, below, err := d.integer()
	if err != nil {
		return err
	}
	if below || into.OverflowUint(found) {
		return fmt.Errorf("the number is outside of the Go type %s", into.Type())
	}
	into.SetUint(found)
	return nil
}

func (d *decoder) list(into reflect.Value, depth int) error {
	t := into.Type()
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && d.peek()>>5 == byteString {
		size, err := d.expect(byteString, "bytes")
		if err != nil {
			return err
		}
		found, err := d.take(size)
		into.SetBytes(append([]byte{}, found...))
		return err
	}
	argument, err := d.expect(list, "a list")
	if err != nil {
		return err
	}
	count, err := d.count(argument)
	if err != nil {
		return err
	}
	if t.Kind() == reflect.Slice {
		into.Set(reflect.MakeSlice(t, count, count))
	} else if into.Len() != count {
		return fmt.Errorf("expected %d elements, found %d", into.Len(), count)
	}
	for i := range count {
		if err := d.value(into.Index(i), depth+1); err != nil {
			return fmt.Errorf("at %d: %w", i, err)
		}
	}
	return nil
}

func (d *decoder) dictionary(into reflect.Value, depth int) error {
	argument, err := d.expect(dictionary, "an object")
	if err != nil {
		return err
	}
	count, err := d.count(argument)
	if err != nil {
		return err
	}
	t := into.Type()
	into.Set(reflect.MakeMapWithSize(t, count))
	for range count {
		key, err := d.text()
		if err != nil {
			return err
		}
		value := reflect.New(t.Elem()).Elem()
		if err := d.value(value, depth+1); err != nil {
			return fmt.Errorf("`%s`: %w", key, err)
		}
		into.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), value)
	}
	return nil
}

func (d *decoder) structure(into reflect.Value, depth int) error {
	argument, err := d.expect(dictionary, "an object")
	if err != nil {
		return err
	}
	fields := Fields(into.Type())
	seen := make([]bool, len(fields))
	for range argument {
		key, err := d.text()
		if err != nil {
			return err
		}
		at := index(fields, key)
		if at < 0 {
			if _, err := d.any(depth + 1); err != nil {
				return err
			}
			continue
		}
		seen[at] = true
		if err := d.value(into.FieldByIndex(fields[at].Index), depth+1); err != nil {
			return fmt.Errorf("`%s`: %w", key, err)
		}
	}
	for at, field := range fields {
		if seen[at] {
			continue
		}
		if err := Absent(field, into.FieldByIndex(field.Index)); err != nil {
			return err
		}
	}
	return nil
}

func index(fields []Field, name string) int {
	for at := range fields {
		if fields[at].Name == name {
			return at
		}
	}
	return -1
}

// any reads a value of any type: nil, bool, int64, uint64, float64, string, []byte, []any, map[string]any.
func (d *decoder) any(depth int) (any, error) {
	if depth > depthMax {
		return nil, fmt.Errorf("a value is nested more than %d deep", depthMax)
	}
	first := d.peek()
	switch first >> 5 {
	case positive, negative:
		major, _, argument, err := d.head()
		switch {
		case argument <= math.MaxInt64 && major == negative:
			return -1 - int64(argument), err
		case major == negative:
			return nil, errors.New("a whole number of more than 64 bits")
		case argument <= math.MaxInt64:
			return int64(argument), err
		default:
			return argument, err
		}
	case text:
		return d.text()
	case byteString:
		var found []byte
		err := d.list(reflect.ValueOf(&found).Elem(), depth)
		return found, err
	case list:
		var found []any
		err := d.list(reflect.ValueOf(&found).Elem(), depth)
		return found, err
	case dictionary:
		var found map[string]any
		err := d.dictionary(reflect.ValueOf(&found).Elem(), depth)
		return found, err
	case tag:
		if _, _, _, err := d.head(); err != nil {
			return nil, err
		}
		return d.any(depth + 1)
	}
	if d.at >= len(d.data) {
		return nil, errCut
	}
	switch first {
	case trueByte, falseByte:
		d.at++
		return first == trueByte, nil
	case nullByte, undefined:
		d.at++
		return nil, nil
	}
	return d.number()
}
