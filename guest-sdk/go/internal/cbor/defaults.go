package cbor

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
)

// Absent fills a field that was not given: with its default, with zero if it may be absent.
func Absent(field Field, into reflect.Value) error {
	if written, has := field.Default(); has {
		return SetDefault(into, written)
	}
	if !field.Omit {
		return fmt.Errorf("`%s` is missing", field.Name)
	}
	into.SetZero()
	return nil
}

// SetDefault puts what the tag `default` says into a variable: a text, a number, `true` or `false`, or an empty list or
// object.
func SetDefault(into reflect.Value, written string) error {
	var err error
	switch kind := into.Kind(); {
	case kind == reflect.String:
		into.SetString(written)
	case kind == reflect.Bool:
		var value bool
		value, err = strconv.ParseBool(written)
		into.SetBool(value)
	case into.CanInt():
		var value int64
		value, err = strconv.ParseInt(written, 10, into.Type().Bits())
		into.SetInt(value)
	case into.CanUint():
		var value uint64
		value, err = strconv.ParseUint(written, 10, into.Type().Bits())
		into.SetUint(value)
	case into.CanFloat():
		var value float64
		value, err = strconv.ParseFloat(written, 64)
		into.SetFloat(value)
	case kind == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return SetDefault(into.Elem(), written)
	case kind == reflect.Slice && written == "[]":
		into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	case kind == reflect.Map && written == "{}":
		into.Set(reflect.MakeMap(into.Type()))
	default:
		err = errors.New("not of that type")
	}
	if err != nil {
		return fmt.Errorf("the default `%s` is no %s", written, into.Type())
	}
	return nil
}
