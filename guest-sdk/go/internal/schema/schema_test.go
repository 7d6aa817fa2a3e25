package schema

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

type colour string

func (colour) Enum() []string { return []string{"red", "green"} }

type tree struct {
	Name     string
	Children []tree `default:"[]"`
}

type person struct {
	Name   string `doc:"As \"written\"."`
	Age    uint8  `minimum:"1"`
	Mood   string `json:"mood" enum:"good,bad" default:"good"`
	Home   *struct{ Lat float32 }
	Colour *colour `json:"colour,omitempty"`
}

func TestTypesHaveTheirSchemas(t *testing.T) {
	for _, each := range []struct {
		of     reflect.Type
		closed bool
		want   string
	}{
		{reflect.TypeFor[int](), false, `{"type":"integer"}`},
		{reflect.TypeFor[int16](), false, `{"type":"integer","minimum":-32768,"maximum":32767}`},
		{reflect.TypeFor[uint64](), false, `{"type":"integer","minimum":0}`},
		{reflect.TypeFor[*string](), false, `{"type":["string","null"]}`},
		{reflect.TypeFor[*colour](), false, `{"anyOf":[{"type":"string","enum":["red","green"]},{"type":"null"}]}`},
		{reflect.TypeFor[[]colour](), false, `{"type":"array","items":{"type":"string","enum":["red","green"]}}`},
		{reflect.TypeFor[[2]bool](), false, `{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2}`},
		{reflect.TypeFor[map[string]float64](), false, `{"type":"object","additionalProperties":{"type":"number"}}`},
		{reflect.TypeFor[any](), false, `{}`},
		{reflect.TypeFor[time.Time](), false, `{"type":"string","format":"date-time"}`},
		{reflect.TypeFor[person](), true, `{"type":"object","properties":{"name":{"type":"string","description":"As \"written\"."},` +
			`"age":{"type":"integer","minimum":1,"maximum":255},"mood":{"type":"string","enum":["good","bad"],"default":"good"},` +
			`"home":{"type":["object","null"],"properties":{"lat":{"type":"number"}},"required":["lat"],"additionalProperties":false},` +
			`"colour":{"anyOf":[{"type":"string","enum":["red","green"]},{"type":"null"}]}},` +
			`"required":["name","age","home"],"additionalProperties":false}`},
		{reflect.TypeFor[tree](), false, `{"$ref":"#/$defs/t0","$defs":{"t0":{"type":"object","properties":{"name":{"type":"string"},` +
			`"children":{"type":"array","items":{"$ref":"#/$defs/t0"},"default":[]}},"required":["name"]}}}`},
	} {
		got, err := Of(each.of, "", each.closed)
		if err != nil || got != each.want {
			t.Errorf("%s: %s (%v), expected %s", each.of, got, err, each.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

func TestATypeWithoutASchemaIsNamed(t *testing.T) {
	for _, each := range []struct {
		of   reflect.Type
		want string
	}{
		{reflect.TypeFor[complex128](), "the Go type complex128 has no schema: values are booleans, numbers, texts, lists, maps and structs of them"},
		{reflect.TypeFor[map[int]string](), "the Go type map[int]string has no schema: keys of a map are texts"},
		{reflect.TypeFor[struct{ Done chan int }](), "`done`: the Go type chan int has no schema: values are booleans, numbers, texts, lists, maps and structs of them"},
		{reflect.TypeFor[struct{ Raw []byte }](), "`raw`: bytes are an input or an output of their own, not a part of a value"},
		{reflect.TypeFor[struct {
			N int `default:"many"`
		}](), "`n`: the default `many` is no int"},
		{reflect.TypeFor[struct {
			N int `minimum:"low"`
		}](), "`n`: its minimum `low` is no number"},
	} {
		if _, err := Of(each.of, "", false); err == nil || err.Error() != each.want {
			t.Errorf("%s: %v", each.of, err)
		}
	}
}
