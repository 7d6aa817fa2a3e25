package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"cofferdam.dev/op"
)

type valueIn[T any] struct{ Value T }

func echo[T any](_ *op.Context, in valueIn[T]) (T, error) { return in.Value, nil }

type colour string

func (colour) Enum() []string { return []string{"red", "green", "blue"} }

type place struct{ Lat, Lon float64 }

type person struct {
	Name string
	Age  uint32
	Tags []string `default:"[]"`
	Home *place   `json:"home,omitempty"`
}

func nothing(*op.Context, op.None) (op.None, error) { return op.None{}, nil }

type nameIn struct{ Name string }

type names struct {
	op.Outputs
	First op.Described[string]
	Last  string
}

func splitName(_ *op.Context, in nameIn) (out names, err error) {
	first, last, _ := strings.Cut(in.Name, " ")
	out.First.Value, out.Last = first, last
	out.First.Metadata = op.Metadata{"letters": utf8.RuneCountInString(first)}
	return out, nil
}

type maybeIn struct {
	Config struct{ Emit bool } `op:"config"`
}

type maybeOut struct {
	op.Outputs
	Value *int64 `json:"value,omitempty"`
}

func maybe(_ *op.Context, in maybeIn) (out maybeOut, err error) {
	if in.Config.Emit {
		value := int64(42)
		out.Value = &value
	}
	return out, nil
}

type greetIn struct {
	Name *string `json:"name,omitempty"`
}

func greet(_ *op.Context, in greetIn) (string, error) {
	if in.Name == nil {
		return "Hello, nobody!", nil
	}
	return "Hello, " + *in.Name + "!", nil
}

type numbersIn struct {
	Config struct {
		N int `minimum:"0"`
	} `op:"config"`
}

type eachOut struct {
	op.Outputs
	Each op.Dynamic[int64]
}

func numbers(_ *op.Context, in numbersIn) (out eachOut, err error) {
	for n := range in.Config.N {
		out.Each.Add("n"+strconv.Itoa(n), int64(n))
	}
	return out, nil
}

func twins(*op.Context, op.None) (out eachOut, err error) {
	out.Each.Add("twin", 1)
	out.Each.Add("twin", 2)
	return out, nil
}

type manyIn struct{ Numbers op.Many[int64] }

func total(_ *op.Context, in manyIn) (sum int64, err error) {
	for _, number := range in.Numbers {
		sum += number.Value
	}
	return sum, nil
}

func keyed(_ *op.Context, in manyIn) ([]string, error) {
	var shown []string
	for _, number := range in.Numbers {
		key := number.Key
		if key == "" {
			key = "-"
		}
		shown = append(shown, fmt.Sprintf("%s=%d", key, number.Value))
	}
	return shown, nil
}

type configuredIn struct {
	Config struct {
		Greeting string `default:"Hello"`
		Times    int    `default:"2" minimum:"1" maximum:"10"`
		Loud     bool   `default:"false"`
		Names    []string
	} `op:"config"`
}

func configured(_ *op.Context, in configuredIn) (string, error) {
	var lines []string
	for range in.Config.Times {
		for _, name := range in.Config.Names {
			line := in.Config.Greeting + ", " + name + "!"
			if in.Config.Loud {
				line = strings.ToUpper(line)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n"), nil
}

func double(_ *op.Context, in valueIn[int64]) (int64, error) { return in.Value * 2, nil }
