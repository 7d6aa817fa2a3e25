package op

import (
	"fmt"
	"math"
	"reflect"
	"structs"
	"unsafe"
)

type (
	abiRows struct {
		_               structs.HostLayout
		failed          uint32
		columns, values abiList
	}
	abiSQL struct {
		_    structs.HostLayout
		kind uint64
		word uint64
	}
	abiStatement struct {
		_                structs.HostLayout
		text, parameters abiList
	}
)

//go:wasmimport cofferdam:op/sql@0.1.0 query
func hostSQLQuery(name, text string, parameters unsafe.Pointer, count uint32, into *abiRows)

//go:wasmimport cofferdam:op/sql@0.1.0 execute
func hostSQLExecute(name, text string, parameters unsafe.Pointer, count uint32, into *abiSize)

//go:wasmimport cofferdam:op/sql@0.1.0 transact
func hostSQLTransact(name string, statements unsafe.Pointer, count uint32, into *abiSize)

// Values of a row, or parameters, in the order of the contract.
const (
	sqlNull = iota
	sqlTruth
	sqlInteger
	sqlNumber
	sqlText
	sqlBytes
)

func (a *arena) parameters(values []any) ([]abiSQL, error) {
	lowered := make([]abiSQL, len(values))
	for i, value := range values {
		made := &lowered[i]
		if bytes, is := value.([]byte); is {
			made.kind, made.word = sqlBytes, word(a.bytes(bytes))
			continue
		}
		switch of := reflect.ValueOf(value); {
		case !of.IsValid():
		case of.Kind() == reflect.Bool:
			made.kind, made.word = sqlTruth, uint64(truth(of.Bool()))
		case of.CanInt():
			made.kind, made.word = sqlInteger, uint64(of.Int())
		case of.CanUint() && of.Uint() <= math.MaxInt64:
			made.kind, made.word = sqlInteger, of.Uint()
		case of.CanFloat():
			made.kind, made.word = sqlNumber, math.Float64bits(of.Float())
		case of.Kind() == reflect.String:
			made.kind, made.word = sqlText, word(a.text(of.String()))
		default:
			return nil, fmt.Errorf("parameter %d is of the Go type %T: nil, truths, numbers, texts and bytes can be", i+1, value)
		}
	}
	return lowered, nil
}

func (s abiSQL) lift() any {
	of := abiList{at: uint32(s.word), size: uint32(s.word >> 32)}
	switch s.kind & 0xff {
	case sqlTruth:
		return s.word&1 == 1
	case sqlInteger:
		return int64(s.word)
	case sqlNumber:
		return math.Float64frombits(s.word)
	case sqlText:
		return of.text()
	case sqlBytes:
		return of.bytes()
	default:
		return nil
	}
}

func (r database) Query(text string, parameters ...any) (Rows, error) {
	var a arena
	lowered, err := a.parameters(parameters)
	if err != nil {
		return Rows{}, wrong(err)
	}
	var answer abiRows
	call(func() {
		hostSQLQuery(string(r), text, unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)), &answer)
	})
	a.release()
	if answer.failed&1 == 1 {
		return Rows{}, fault(string(r), answer.columns.at, abiList{at: answer.columns.size, size: answer.values.at})
	}
	rows := Rows{Columns: answer.columns.texts()}
	for _, row := range elements[abiList](answer.values.at, answer.values.size) {
		var values []any
		for _, value := range elements[abiSQL](row.at, row.size) {
			values = append(values, value.lift())
		}
		rows.Values = append(rows.Values, values)
	}
	return rows, nil
}

func (r database) Execute(text string, parameters ...any) (uint64, error) {
	var a arena
	lowered, err := a.parameters(parameters)
	if err != nil {
		return 0, wrong(err)
	}
	var answer abiSize
	call(func() {
		hostSQLExecute(string(r), text, unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)), &answer)
	})
	a.release()
	return answer.more, answer.fault(string(r))
}

func (r database) Transact(statements ...Statement) (uint64, error) {
	var a arena
	lowered := make([]abiStatement, len(statements))
	for i, statement := range statements {
		parameters, err := a.parameters(statement.Parameters)
		if err != nil {
			return 0, wrong(err)
		}
		lowered[i] = abiStatement{text: a.text(statement.Text), parameters: list(&a, parameters)}
	}
	var answer abiSize
	call(func() {
		hostSQLTransact(string(r), unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)), &answer)
	})
	a.release()
	return answer.more, answer.fault(string(r))
}
