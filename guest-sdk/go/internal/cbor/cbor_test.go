package cbor

import (
	"encoding/hex"
	"math"
	"reflect"
	"testing"
	"time"
)

type place struct {
	Lat, Lon float64
}

type base struct{ ID int }

type everything struct {
	base
	RunID string
	Tags  []string `default:"[]"`
	Home  *place   `json:"home,omitempty"`
	Count uint8    `json:"count,omitempty"`
	When  time.Time
	Any   any `json:"any"`
	Skip  int `json:"-"`
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	written, err := Marshal(reflect.ValueOf(value))
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(written)
}

// The examples of RFC 8949, appendix A, that have a deterministic form.
func TestValuesAreWrittenInTheShortestForm(t *testing.T) {
	for _, each := range []struct {
		value any
		want  string
	}{
		{0, "00"}, {23, "17"}, {24, "1818"}, {1000, "1903e8"}, {1000000, "1a000f4240"}, {uint64(math.MaxUint64), "1bffffffffffffffff"},
		{-1, "20"}, {-1000, "3903e7"}, {int64(math.MinInt64), "3b7fffffffffffffff"}, {int64(1<<53 + 1), "1b0020000000000001"},
		{0.0, "f90000"}, {math.Copysign(0, -1), "f98000"}, {1.0, "f93c00"}, {1.1, "fb3ff199999999999a"}, {1.5, "f93e00"},
		{65504.0, "f97bff"}, {100000.0, "fa47c35000"}, {3.4028234663852886e+38, "fa7f7fffff"}, {1e300, "fb7e37e43c8800759c"},
		{5.960464477539063e-8, "f90001"}, {0.00006103515625, "f90400"}, {-4.0, "f9c400"}, {math.Inf(1), "f97c00"}, {math.NaN(), "f97e00"},
		{false, "f4"}, {true, "f5"}, {(*int)(nil), "f6"}, {"", "60"}, {"ü", "62c3bc"}, {[]byte{1, 2}, "420102"},
		{[]int(nil), "80"}, {[]int{1, 2, 3}, "83010203"}, {map[string]int(nil), "a0"},
		{map[string]any{"aa": 1, "b": []any{2, nil}}, "a261628202f662616101"},
	} {
		if got := marshal(t, each.value); got != each.want {
			t.Errorf("%v: %s, expected %s", each.value, got, each.want)
		}
	}
}

func TestAStructComesBackAsItWas(t *testing.T) {
	given := everything{
		base: base{7}, RunID: "r", Tags: []string{"x"}, Home: &place{51.5, -0.25}, Count: 3,
		When: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Any: map[string]any{"a": []any{int64(1), 0.5, "x", true, nil}},
	}
	written, err := Marshal(reflect.ValueOf(given))
	if err != nil {
		t.Fatal(err)
	}
	var back everything
	if err := Unmarshal(written, reflect.ValueOf(&back).Elem()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(given, back) {
		t.Errorf("%+v became %+v", given, back)
	}
	again := marshal(t, back)
	if again != hex.EncodeToString(written) {
		t.Error("the same value has other bytes")
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, each := range []struct {
		bytes string
		into  any
		want  string
	}{
		{"a0", new(place), "`lat` is missing"},
		{"a2636c6174f5636c6f6e00", new(place), "`lat`: expected a number, found true or false"},
		{"1901", new(int), "the value is cut off"},
		{"0000", new(int), "there is more behind the value"},
		{"190100", new(uint8), "the number is outside of the Go type uint8"},
		{"1b8000000000000000", new(int64), "the number is outside of the Go type int64"},
		{"20", new(uint), "the number is outside of the Go type uint"},
		{"f93e00", new(int), "expected a whole number, found 1.5"},
		{"820160", new([]int), "at 1: expected a whole number, found a text"},
		{"9bffffffffffffffff", new([]int), "the value is cut off"},
		{"62ff00", new(string), "a text is not UTF-8"},
		{"9f01ff", new([]int), "a value of unknown length, which the deterministic form has not"},
	} {
		bytes, _ := hex.DecodeString(each.bytes)
		err := Unmarshal(bytes, reflect.ValueOf(each.into).Elem())
		if err == nil || err.Error() != each.want {
			t.Errorf("%s: %v, expected %s", each.bytes, err, each.want)
		}
	}
}

func TestNamesOfFieldsAreInSnakeCase(t *testing.T) {
	for given, want := range map[string]string{
		"Value": "value", "RunID": "run_id", "HTTPServer": "http_server", "StepKey": "step_key", "X": "x", "A1B": "a1_b",
	} {
		if got := snake(given); got != want {
			t.Errorf("%s: %s, expected %s", given, got, want)
		}
	}
}

func FuzzReading(f *testing.F) {
	f.Add([]byte{0xa1, 0x61, 0x61, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, into := range []any{new(any), new(everything), new(map[string][]int)} {
			if Unmarshal(data, reflect.ValueOf(into).Elem()) != nil {
				continue
			}
			if _, err := Marshal(reflect.ValueOf(into).Elem()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
