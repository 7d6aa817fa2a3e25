package op

import (
	"io"
	"structs"
	"unsafe"

	"cofferdam.dev/op/internal/host"
)

// Answers of the host. The first word says whether the call failed; the others hold the result, or the kind of a fault and
// its message.
type (
	abiAnswer struct {
		_                            structs.HostLayout
		failed, first, second, third uint32
	}
	// With a number of 64 bits in it.
	abiSize struct {
		_      structs.HostLayout
		failed uint64
		more   uint64
		number uint64
	}
	abiDone struct {
		_            structs.HostLayout
		failed, code uint8
	}
	abiResponse struct {
		_              structs.HostLayout
		failed, status uint32
		headers, body  abiList
	}
	abiOutcome struct {
		_                  structs.HostLayout
		failed, some, code uint32
		stdout, stderr     abiList
	}
)

func (a abiAnswer) valueError() error {
	if a.failed&1 == 0 {
		return nil
	}
	return host.ValueError(a.first)
}

func fault(resource string, kind uint32, message abiList) error {
	return &Fault{Resource: resource, Kind: FaultKind(kind), Message: message.text()}
}

func (a abiAnswer) fault(resource string) error {
	if a.failed&1 == 0 {
		return nil
	}
	return fault(resource, a.first, abiList{at: a.second, size: a.third})
}

func (a abiSize) fault(resource string) error {
	if a.failed&1 == 0 {
		return nil
	}
	return fault(resource, uint32(a.more), abiList{at: uint32(a.more >> 32), size: uint32(a.number)})
}

//go:wasmimport cofferdam:op/keyvalue@0.1.0 get
func hostKeyValueGet(name, key string, into *abiAnswer)

//go:wasmimport cofferdam:op/keyvalue@0.1.0 set
func hostKeyValueSet(name, key string, at unsafe.Pointer, size uint32, into *abiAnswer)

//go:wasmimport cofferdam:op/keyvalue@0.1.0 remove
func hostKeyValueRemove(name, key string, into *abiAnswer)

//go:wasmimport cofferdam:op/keyvalue@0.1.0 keys
func hostKeyValueKeys(name, prefix string, has uint32, after string, into *abiAnswer)

//go:wasmimport cofferdam:op/settings@0.1.0 get
func hostSettingsGet(name, key string, into *abiAnswer)

//go:wasmimport cofferdam:op/blob@0.1.0 read
func hostBlobRead(name, path string, offset uint64, length uint32, into *abiAnswer)

//go:wasmimport cofferdam:op/blob@0.1.0 size
func hostBlobSize(name, path string, into *abiSize)

//go:wasmimport cofferdam:op/blob@0.1.0 write
func hostBlobWrite(name, path string, at unsafe.Pointer, size uint32, into *abiAnswer)

//go:wasmimport cofferdam:op/blob@0.1.0 remove
func hostBlobRemove(name, path string, into *abiAnswer)

//go:wasmimport cofferdam:op/blob@0.1.0 paths
func hostBlobPaths(name, prefix string, has uint32, after string, into *abiAnswer)

//go:wasmimport cofferdam:op/http@0.1.0 send
func hostHTTPSend(name, method, path string, headers unsafe.Pointer, count uint32, body unsafe.Pointer, size uint32, into *abiResponse)

//go:wasmimport cofferdam:op/command@0.1.0 run
func hostCommandRun(name string, arguments unsafe.Pointer, count uint32, stdin unsafe.Pointer, size uint32, into *abiOutcome)

// Resource gives what is lent under a name. The linker leaves out the methods that no op calls, so a component imports what
// its ops use and no more.
func (sandbox) Resource(kind host.Kind, name string) any {
	switch kind {
	case host.HTTP:
		return web(name)
	case host.KeyValue:
		return keyValue(name)
	case host.Blob:
		return blob(name)
	case host.SQL:
		return database(name)
	case host.Config:
		return settings(name)
	default:
		return command(name)
	}
}

// keyValue, settings and the others are the names of their resources.
type (
	keyValue string
	settings string
	blob     string
	web      string
	database string
	command  string
)

// found takes an optional list of bytes.
func found(resource string, answer abiAnswer) ([]byte, bool, error) {
	if err := answer.fault(resource); err != nil {
		return nil, false, err
	}
	return taken(answer.second, answer.third), answer.first&1 == 1, nil
}

// pages asks for names until there are no more.
func pages(resource, prefix string, ask func(name, prefix string, has uint32, after string, into *abiAnswer)) ([]string, error) {
	var all []string
	for {
		var has uint32
		var after string
		if len(all) > 0 {
			has, after = 1, all[len(all)-1]
		}
		var page abiAnswer
		call(func() { ask(resource, prefix, has, after, &page) })
		if err := page.fault(resource); err != nil {
			return nil, err
		}
		names := abiList{at: page.first, size: page.second}.texts()
		all = append(all, names...)
		if page.third&1 == 0 || len(names) == 0 {
			return all, nil
		}
	}
}

func (r keyValue) Get(key string) ([]byte, bool, error) {
	var answer abiAnswer
	call(func() { hostKeyValueGet(string(r), key, &answer) })
	return found(string(r), answer)
}

func (r keyValue) Set(key string, value []byte) error {
	var answer abiAnswer
	call(func() {
		hostKeyValueSet(string(r), key, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)), &answer)
	})
	return answer.fault(string(r))
}

func (r keyValue) Remove(key string) error {
	var answer abiAnswer
	call(func() { hostKeyValueRemove(string(r), key, &answer) })
	return answer.fault(string(r))
}

func (r keyValue) Keys(prefix string) ([]string, error) {
	return pages(string(r), prefix, hostKeyValueKeys)
}

func (r settings) Get(key string) (string, bool, error) {
	var answer abiAnswer
	call(func() { hostSettingsGet(string(r), key, &answer) })
	bytes, has, err := found(string(r), answer)
	return string(bytes), has, err
}

func (r blob) Read(path string) ([]byte, bool, error) {
	from, size, has, err := r.Open(path)
	if err != nil || !has {
		return nil, has, err
	}
	content := make([]byte, size)
	_, err = from.ReadAt(content, 0)
	return content, true, err
}

func (r blob) Open(path string) (io.ReaderAt, int64, bool, error) {
	var answer abiSize
	call(func() { hostBlobSize(string(r), path, &answer) })
	if err := answer.fault(string(r)); err != nil || answer.more&1 == 0 {
		return nil, 0, false, err
	}
	return object{r, path}, int64(answer.number), true, nil
}

type object struct {
	from blob
	path string
}

func (o object) ReadAt(into []byte, offset int64) (int, error) {
	done := 0
	for done < len(into) {
		var answer abiAnswer
		call(func() {
			hostBlobRead(string(o.from), o.path, uint64(offset)+uint64(done), uint32(min(len(into)-done, chunkBytes)), &answer)
		})
		piece, _, err := found(string(o.from), answer)
		if err != nil {
			return done, err
		}
		if len(piece) == 0 {
			return done, io.EOF
		}
		done += copy(into[done:], piece)
	}
	return done, nil
}

func (r blob) Write(path string, content []byte) error {
	var answer abiAnswer
	call(func() {
		hostBlobWrite(string(r), path, unsafe.Pointer(unsafe.SliceData(content)), uint32(len(content)), &answer)
	})
	return answer.fault(string(r))
}

func (r blob) Remove(path string) error {
	var answer abiAnswer
	call(func() { hostBlobRemove(string(r), path, &answer) })
	return answer.fault(string(r))
}

func (r blob) Paths(prefix string) ([]string, error) { return pages(string(r), prefix, hostBlobPaths) }

func (r web) Send(request Request) (Response, error) {
	if request.Method == "" {
		request.Method = "GET"
	}
	var a arena
	headers := make([]abiPair, len(request.Headers))
	for i, header := range request.Headers {
		headers[i] = abiPair{name: a.text(header.Name), value: a.text(header.Value)}
	}
	var answer abiResponse
	call(func() {
		hostHTTPSend(string(r), request.Method, request.Path, unsafe.Pointer(unsafe.SliceData(headers)), uint32(len(headers)),
			unsafe.Pointer(unsafe.SliceData(request.Body)), uint32(len(request.Body)), &answer)
	})
	a.release()
	if answer.failed&1 == 1 {
		return Response{}, fault(string(r), answer.status, answer.headers)
	}
	response := Response{Status: int(answer.status & 0xffff), Body: answer.body.bytes()}
	for _, header := range elements[abiPair](answer.headers.at, answer.headers.size) {
		response.Headers = append(response.Headers, Header{header.name.text(), header.value.text()})
	}
	return response, nil
}

func (r command) Run(stdin []byte, arguments ...string) (Outcome, error) {
	var a arena
	lowered := a.lists(arguments)
	var answer abiOutcome
	call(func() {
		hostCommandRun(string(r), unsafe.Pointer(unsafe.SliceData(lowered)), uint32(len(lowered)), unsafe.Pointer(unsafe.SliceData(stdin)), uint32(len(stdin)), &answer)
	})
	a.release()
	if answer.failed&1 == 1 {
		return Outcome{}, fault(string(r), answer.some, abiList{at: answer.code, size: answer.stdout.at})
	}
	outcome := Outcome{Stdout: answer.stdout.bytes(), Stderr: answer.stderr.bytes()}
	if answer.some&1 == 1 {
		code := int(int32(answer.code))
		outcome.Code = &code
	}
	return outcome, nil
}
