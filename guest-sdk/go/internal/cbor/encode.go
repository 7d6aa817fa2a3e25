package cbor

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
)

const (
	positive = iota
	negative
	byteString
	text
	list
	dictionary
	tag
	simple
)

const (
	falseByte = 0xf4
	trueByte  = 0xf5
	nullByte  = 0xf6
	undefined = 0xf7
	half      = 0xf9
	single    = 0xfa
	double    = 0xfb
)

// Nesting that is followed: values that contain themselves have no end.
const depthMax = 100

// Marshal writes a value.
func Marshal(value reflect.Value) ([]byte, error) { return encode(nil, value, 0) }

func appendHead(out []byte, major byte, argument uint64) []byte {
	top := major << 5
	switch {
	case argument < 24:
		return append(out, top|byte(argument))
	case argument <= math.MaxUint8:
		return append(out, top|24, byte(argument))
	case argument <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(out, top|25), uint16(argument))
	case argument <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(out, top|26), uint32(argument))
	default:
		return binary.BigEndian.AppendUint64(append(out, top|27), argument)
	}
}

func appendText(out []byte, value string) []byte {
	return append(appendHead(out, text, uint64(len(value))), value...)
}

func appendInteger(out []byte, value int64) []byte {
	if value < 0 {
		return appendHead(out, negative, uint64(-1-value))
	}
	return appendHead(out, positive, uint64(value))
}

// The shortest of three forms that keeps the number.
func appendNumber(out []byte, value float64) []byte {
	if value != value {
		return append(out, half, 0x7e, 0)
	}
	short := float32(value)
	if float64(short) != value {
		return binary.BigEndian.AppendUint64(append(out, double), math.Float64bits(value))
	}
	if bits, ok := toHalf(short); ok {
		return binary.BigEndian.AppendUint16(append(out, half), bits)
	}
	return binary.BigEndian.AppendUint32(append(out, single), math.Float32bits(short))
}

// toHalf gives a number in 16 bits, if it fits.
func toHalf(value float32) (uint16, bool) {
	bits := math.Float32bits(value)
	sign, exponent, mantissa := uint16(bits>>16&0x8000), int(bits>>23&0xff)-127, bits&0x7fffff
	switch {
	case bits<<1 == 0:
		return sign, true
	case exponent == 128:
		return sign | 0x7c00, mantissa == 0
	case exponent >= -14 && exponent <= 15:
		return sign | uint16(exponent+15)<<10 | uint16(mantissa>>13), mantissa&0x1fff == 0
	case exponent >= -24 && exponent < -14:
		shift := uint(-exponent - 1)
		whole := mantissa | 0x800000
		return sign | uint16(whole>>shift), whole&(1<<shift-1) == 0
	default:
		return 0, false
	}
}

func encode(out []byte, value reflect.Value, depth int) ([]byte, error) {
	if depth > depthMax {
		return nil, fmt.Errorf("a value is nested more than %d deep", depthMax)
	}
	if !value.IsValid() {
		return append(out, nullByte), nil
	}
	t := value.Type()
	if IsText(t) {
		written, err := value.Interface().(encoding.TextMarshaler).MarshalText()
		return appendText(out, string(written)), err
	}
	switch t.Kind() {
	case reflect.Bool:
		if value.Bool() {
			return append(out, trueByte), nil
		}
		return append(out, falseByte), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInteger(out, value.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendHead(out, positive, value.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return appendNumber(out, value.Float()), nil
	case reflect.String:
		return appendText(out, value.String()), nil
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return append(out, nullByte), nil
		}
		return encode(out, value.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return encodeList(out, value, depth)
	case reflect.Map:
		return encodeMap(out, value, depth)
	case reflect.Struct:
		return encodeStruct(out, value, depth)
	default:
		return nil, fmt.Errorf("a value of the Go type %s cannot be carried", t)
	}
}

func encodeList(out []byte, value reflect.Value, depth int) ([]byte, error) {
	if value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8 {
		return append(appendHead(out, byteString, uint64(value.Len())), value.Bytes()...), nil
	}
	out = appendHead(out, list, uint64(value.Len()))
	var err error
	for i := range value.Len() {
		if out, err = encode(out, value.Index(i), depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func encodeMap(out []byte, value reflect.Value, depth int) ([]byte, error) {
	type entry struct {
		head  []byte
		value reflect.Value
	}
	entries := make([]entry, 0, value.Len())
	for pairs := value.MapRange(); pairs.Next(); {
		if pairs.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("a map of the Go type %s cannot be carried: keys are texts", value.Type())
		}
		entries = append(entries, entry{appendText(nil, pairs.Key().String()), pairs.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.head, b.head) })
	out = appendHead(out, dictionary, uint64(len(entries)))
	var err error
	for _, entry := range entries {
		if out, err = encode(append(out, entry.head...), entry.value, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var sorted sync.Map

// The fields of a struct in the order of their keys.
func sortedFields(t reflect.Type) []Field {
	if found, ok := sorted.Load(t); ok {
		return found.([]Field)
	}
	fields := slices.Clone(Fields(t))
	slices.SortFunc(fields, func(a, b Field) int { return bytes.Compare(a.head, b.head) })
	sorted.Store(t, fields)
	return fields
}

func encodeStruct(out []byte, value reflect.Value, depth int) ([]byte, error) {
	fields := sortedFields(value.Type())
	count := 0
	for _, field := range fields {
		if !field.Empty || !isEmpty(value.FieldByIndex(field.Index)) {
			count++
		}
	}
	out = appendHead(out, dictionary, uint64(count))
	var err error
	for _, field := range fields {
		inner := value.FieldByIndex(field.Index)
		if field.Empty && isEmpty(inner) {
			continue
		}
		if out, err = encode(append(out, field.head...), inner, depth+1); err != nil {
			return nil, fmt.Errorf("`%s`: %w", field.Name, err)
		}
	}
	return out, nil
}

func isEmpty(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() == 0
	default:
		return value.IsZero()
	}
}
