package op

import (
	"math"
	"runtime"
	"structs"
	"unsafe"

	"cofferdam.dev/op/internal/host"
)

// Shapes in memory as the canonical ABI lays them out, where an address has 32 bits. A word is what the variants of
// metadata, settings and the like hold: 8 bytes that are a number, or a list.
type (
	abiList struct {
		_        structs.HostLayout
		at, size uint32
	}
	abiOption struct {
		_     structs.HostLayout
		some  uint32
		value abiList
	}
	abiPair struct {
		_           structs.HostLayout
		name, value abiList
	}
	abiFact struct {
		_    structs.HostLayout
		name abiList
		kind uint64
		word uint64
	}
	abiAttempt struct {
		_              structs.HostLayout
		runID, stepKey abiList
		attempt        uint32
		idempotencyKey abiList
		partition      abiOption
		tags           abiList
	}
	// Of stored ones `at` is the number.
	abiValue struct {
		_         structs.HostLayout
		mediaType abiList
		stored    uint32
		content   abiList
	}
	abiElement struct {
		_     structs.HostLayout
		key   abiOption
		value abiValue
	}
	// Of many, the list is where a value has its media type.
	abiInput struct {
		_    structs.HostLayout
		name abiList
		many uint32
		one  abiValue
	}
	abiOutput struct {
		_        structs.HostLayout
		name     abiList
		key      abiOption
		value    abiValue
		metadata abiList
	}
	// Outputs, or a failure: its message is where the outputs are.
	abiEnded struct {
		_            structs.HostLayout
		failed       uint64
		outputs      abiList
		causes       abiList
		retry        uint64
		milliseconds uint64
		metadata     abiList
	}
	abiPort struct {
		_                            structs.HostLayout
		name, doc, mediaType, schema abiList
		required, several            uint8
	}
	abiNeed struct {
		_    structs.HostLayout
		name abiList
		kind uint32
		doc  abiList
	}
	abiOp struct {
		_               structs.HostLayout
		name, doc       abiList
		inputs, outputs abiList
		config          abiOption
		needs           abiList
		pure            uint32
	}
	abiLibrary struct {
		_                  structs.HostLayout
		name, version, ops abiList
	}
)

// The memory that the host has asked for and put something into, by its address, until it is taken. A garbage collector
// does not see addresses of 32 bits.
var received = map[uint32][]uint64{}

//go:wasmexport cabi_realloc
func reallocate(old, oldSize, align, size uint32) uint32 {
	if size == 0 {
		return align
	}
	room := make([]uint64, (uint64(size)+7)/8)
	at := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(room))))
	if before, has := received[old]; has && oldSize > 0 {
		copy(room, before)
		delete(received, old)
	}
	received[at] = room
	return at
}

// taken gives bytes that the host has put into memory; they are ours from then on.
func taken(at, size uint32) []byte { return elements[byte](at, size) }

func elements[T any](at, count uint32) []T {
	room, has := received[at]
	if count == 0 || !has {
		return nil
	}
	delete(received, at)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(room))), count)
}

func lifted(at, size uint32) string {
	bytes := taken(at, size)
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}

func (l abiList) text() string  { return lifted(l.at, l.size) }
func (l abiList) bytes() []byte { return taken(l.at, l.size) }

func (l abiList) texts() []string {
	lists := elements[abiList](l.at, l.size)
	texts := make([]string, len(lists))
	for i, each := range lists {
		texts[i] = each.text()
	}
	return texts
}

func (o abiOption) text() *string {
	if o.some&1 == 0 {
		return nil
	}
	text := o.value.text()
	return &text
}

func (v abiValue) lift() host.Value {
	value := host.Value{MediaType: v.mediaType.text()}
	if v.stored&1 == 1 {
		value.Stored, value.Number = true, v.content.at
	} else {
		value.Bytes = v.content.bytes()
	}
	return value
}

func (i abiInput) lift() host.Input {
	input := host.Input{Name: i.name.text()}
	if i.many&1 == 0 {
		input.One = i.one.lift()
		return input
	}
	input.IsMany = true
	for _, element := range elements[abiElement](i.one.mediaType.at, i.one.mediaType.size) {
		input.Many = append(input.Many, host.Element{Key: element.key.text(), Value: element.value.lift()})
	}
	return input
}

func address[T any](value *T) uint32 { return uint32(uintptr(unsafe.Pointer(value))) }

// An arena lays out what the host is to read, and holds on to it meanwhile.
type arena struct{ held []any }

// release says that the host has read it.
func (a *arena) release() {
	runtime.KeepAlive(a.held)
	a.held = nil
}

func (a *arena) bytes(bytes []byte) abiList {
	a.held = append(a.held, bytes)
	return abiList{at: address(unsafe.SliceData(bytes)), size: uint32(len(bytes))}
}

func (a *arena) text(text string) abiList {
	a.held = append(a.held, text)
	return abiList{at: address(unsafe.StringData(text)), size: uint32(len(text))}
}

func list[T any](a *arena, elements []T) abiList {
	a.held = append(a.held, elements)
	return abiList{at: address(unsafe.SliceData(elements)), size: uint32(len(elements))}
}

func (a *arena) lists(texts []string) []abiList {
	lists := make([]abiList, len(texts))
	for i, text := range texts {
		lists[i] = a.text(text)
	}
	return lists
}

func (a *arena) option(text *string) abiOption {
	if text == nil {
		return abiOption{}
	}
	return abiOption{some: 1, value: a.text(*text)}
}

func word(list abiList) uint64 { return uint64(list.at) | uint64(list.size)<<32 }

func (a *arena) facts(facts []host.Fact) []abiFact {
	lowered := make([]abiFact, len(facts))
	for i, fact := range facts {
		lowered[i] = abiFact{name: a.text(fact.Name), kind: uint64(fact.Kind)}
		switch fact.Kind {
		case host.Integer:
			lowered[i].word = uint64(fact.Integer)
		case host.Number:
			lowered[i].word = math.Float64bits(fact.Number)
		case host.Truth:
			lowered[i].word = uint64(truth(fact.Truth))
		default:
			lowered[i].word = word(a.text(fact.Text))
		}
	}
	return lowered
}

func truth(value bool) uint8 {
	if value {
		return 1
	}
	return 0
}

func (a *arena) output(output host.Output) abiOutput {
	value := abiValue{mediaType: a.text(output.Value.MediaType)}
	if output.Value.Stored {
		value.stored, value.content.at = 1, output.Value.Number
	} else {
		value.content = a.bytes(output.Value.Bytes)
	}
	return abiOutput{name: a.text(output.Name), key: a.option(output.Key), value: value, metadata: list(a, a.facts(output.Metadata))}
}

func (a *arena) failure(ended *abiEnded, failure host.Failure) {
	ended.outputs, ended.causes = a.text(failure.Message), list(a, a.lists(failure.Causes))
	ended.retry, ended.milliseconds = uint64(failure.Retry), failure.Milliseconds
	ended.metadata = list(a, a.facts(failure.Metadata))
}

func (a *arena) op(op host.Op) abiOp {
	lowered := abiOp{name: a.text(op.Name), doc: a.text(op.Doc), pure: uint32(truth(op.Pure))}
	lowered.inputs, lowered.outputs = a.ports(op.Inputs), a.ports(op.Outputs)
	if op.Config != "" {
		lowered.config = a.option(&op.Config)
	}
	needs := make([]abiNeed, len(op.Needs))
	for i, need := range op.Needs {
		needs[i] = abiNeed{name: a.text(need.Name), kind: uint32(need.Kind), doc: a.text(need.Doc)}
	}
	lowered.needs = list(a, needs)
	return lowered
}

func (a *arena) ports(ports []host.Port) abiList {
	lowered := make([]abiPort, len(ports))
	for i, port := range ports {
		lowered[i] = abiPort{
			name: a.text(port.Name), doc: a.text(port.Doc), mediaType: a.text(port.MediaType), schema: a.text(port.Schema),
			required: truth(port.Required), several: truth(port.Several),
		}
	}
	return list(a, lowered)
}
