// The conformance library in Go, as tests/conformance/README.md has it.
package main

import "cofferdam.dev/op"

func init() {
	op.Library("conformance", "1.0.0",
		op.Define("echo_text", "Gives its input back.", echo[string]),
		op.Define("echo_integer", "Gives its input back.", echo[int64]),
		op.Define("echo_number", "Gives its input back.", echo[float64]),
		op.Define("echo_flag", "Gives its input back.", echo[bool]),
		op.Define("echo_list", "Gives its input back.", echo[[]int64]),
		op.Define("echo_map", "Gives its input back.", echo[map[string]int64]),
		op.Define("echo_nullable", "Gives its input back.", echo[*string]),
		op.Define("echo_choice", "Gives its input back.", echo[colour]),
		op.Define("echo_record", "Gives its input back.", echo[person]),
		op.Define("echo_bytes", "Gives its input back.", echo[[]byte]),
		op.Define("nothing", "Does nothing.", nothing),
		op.Define("split_name", "Splits a name at its first blank.", splitName),
		op.Define("maybe", "Gives a value, or none.", maybe),
		op.Define("greet", "Greets somebody, or nobody.", greet),
		op.Define("numbers", "Counts, a step each.", numbers),
		op.Define("twins", "Uses a key twice.", twins),
		op.Define("total", "Adds.", total),
		op.Define("keyed", "Shows keys.", keyed),
		op.Define("configured", "Greets everybody in the config.", configured),
		op.Define("produce", "Writes bytes piece by piece.", produce),
		op.Define("consume", "Adds bytes piece by piece.", consume),
		op.Define("slice", "Reads a part of a file.", slice),
		op.Define("repeat", "Repeats a text.", repeat),
		op.Define("length", "Counts the code points of a text.", length),
		op.Define("page", "Writes a page.", page),
		op.Define("fail", "Fails with a cause and a fact.", fail),
		op.Define("fail_permanent", "Fails for good.", failPermanent),
		op.Define("fail_later", "Asks to be tried later.", failLater),
		op.Define("flaky", "Fails until an attempt.", flaky),
		op.Define("crash", "Looks past the end of a list.", crash),
		op.Define("log", "One line at each level.", logs),
		op.Define("print", "Prints.", prints),
		op.Define("chatter", "Logs many lines.", chatter),
		op.Define("progress", "Says how far it is.", progress),
		op.Define("facts", "States a fact of each kind.", facts),
		op.Define("who", "Says what the context says.", who),
		op.Define("remaining", "Whether some of at most a minute is left.", remaining),
		op.Define("spin", "Never returns.", spin),
		op.Define("hog", "Takes memory.", hog),
		op.Define("count", "Counts its runs.", count),
		op.Define("setting", "Reads a setting.", setting),
		op.Define("pure_double", "Doubles.", double, op.Pure),
	)
}

func main() {}
