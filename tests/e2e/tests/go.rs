//! Libraries in Go as their authors meet them: what is refused and where, equal bytes, every resource, Go's own runtime.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use cofferdam_e2e::{Ended, program};
use serde_json::{Value, json};

/// A project whose library has this file; its op is `go`.
fn project(ops: &str, definitions: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |path: &str, text: &str| {
        fs::write(folder.path().join(path), text).expect("a file can be written");
    };
    fs::create_dir(folder.path().join("ops")).expect("a folder can be made");
    write("ops/go.mod", "module ops\n\ngo 1.24\n");
    write("ops/ops.go", ops);
    write(
        "cofferdam.toml",
        &format!("[libraries.ops]\ngo = \"ops\"\n[jobs.all.steps.go]\nop = \"ops.go\"\n{definitions}"),
    );
    folder
}

fn run(folder: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.args(args).current_dir(folder).env("NO_COLOR", "1").output().expect("it can be started").into()
}

/// A package with one op of this type and body.
fn package(imports: &str, types: &str, signature: &str, body: &str) -> String {
    format!(
        "package main\n\nimport (\n\t\"cofferdam.dev/op\"\n{imports})\n\n{types}\nfunc goes(ctx *op.Context, {signature} {{\n{body}}}\n\n\
         func init() {{ op.Library(\"ops\", \"1\", op.Define(\"go\", \"Goes.\", goes)) }}\n\nfunc main() {{}}\n"
    )
}

fn refused(folder: &Path, expected: &[&str]) {
    let ended = run(folder, &["build"]);
    assert_eq!(ended.exit, 3, "{ended:#?}");
    for words in expected {
        assert!(ended.stderr.contains(words), "`{words}` is not in {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_is_refused_when_it_is_built_with_its_place() {
    let bad = package("", "", "in op.None) (int, error)", "\treturn \"seven\", nil\n");
    let expected = ["./ops.go:9:9: cannot use \"seven\"", "library `ops`: it does not build"];
    refused(project(&bad, "").path(), &expected);
    let bad = package(
        "",
        "type meanIn struct{ Numbers []complex128 }\n",
        "in meanIn) (func(), error)",
        "\treturn nil, nil\n",
    );
    let expected = [
        "error: library `ops`",
        "op `go`: input `numbers`: the Go type complex128 has no schema: values are booleans, numbers, texts, lists, maps \
         and structs of them",
        "op `go`: output `result`: the Go type func() has no schema",
    ];
    refused(project(&bad, "").path(), &expected);
    refused(
        project("package main\n\nfunc main() {}\n", "").path(),
        &["library `ops`: its package main has no ops: it does not import \"cofferdam.dev/op\""],
    );
    let folder = project("", "");
    fs::remove_file(folder.path().join("ops/go.mod")).expect("it is there");
    refused(folder.path(), &["there is no go.mod in ", "`go mod init NAME`"]);
}

#[test]
fn the_same_source_makes_the_same_component_in_another_folder() {
    let seven = package("", "", "in op.None) (int, error)", "\treturn 7, nil\n");
    let digests = [0, 1].map(|_| {
        let folder = project(&seven, "");
        let ended = run(folder.path(), &["build"]);
        assert_eq!(ended.exit, 0, "{ended:#?}");
        let found =
            ended.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).map(str::to_owned);
        found.unwrap_or_else(|| panic!("{ended:#?}"))
    });
    assert_eq!(digests[0], digests[1]);
}

/// The value that the op gave, as JSON.
fn result(folder: &Path) -> Value {
    let ended = run(folder, &["run", "all", "--export", "out", "--force"]);
    assert_eq!(ended.exit, 0, "{ended:#?}");
    let text = fs::read_to_string(folder.join("out/go.json")).expect("it is exported");
    serde_json::from_str(&text).expect("it is JSON")
}

const RESOURCES: &str = r#"	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	touched, err := in.DB.Transact(
		op.Statement{Text: "create table t (a integer, b text, c real, d blob)"},
		op.Statement{Text: "insert into t values (?, ?, ?, ?), (-1, null, null, null)", Parameters: []any{1 << 60, "ü", 0.5, []byte{1, 2}}})
	check(err)
	out["touched"] = touched
	touched, err = in.DB.Execute("update t set b = ? where a < ?", "x", 0)
	check(err)
	out["updated"] = touched
	rows, err := in.DB.Query("select a, b, c, hex(d) from t order by a")
	check(err)
	out["rows"] = rows.Maps()
	_, err = in.DB.Query("select nothing")
	out["wrong"] = err.(*op.Fault).Kind == op.Invalid

	large := bytes.Repeat([]byte("0123456789"), 60_000)
	check(in.Files.Write("a/large", large))
	check(in.Files.Write("a/small", []byte("x")))
	back, has, err := in.Files.Read("a/large")
	check(err)
	out["same"] = has && bytes.Equal(back, large)
	_, has, err = in.Files.Read("a/none")
	check(err)
	out["none"] = !has
	out["paths"], err = in.Files.Paths("a/")
	check(err)
	check(in.Files.Remove("a/small"))

	answer, err := in.Web.Send(op.Request{Method: "POST", Path: "/x?y=1", Headers: []op.Header{{Name: "x-a", Value: "b"}}, Body: []byte("hello")})
	check(err)
	out["answer"] = fmt.Sprintf("%d %s", answer.Status, answer.Body)

	outcome, err := in.Tool.Run([]byte("in"))
	check(err)
	out["command"] = fmt.Sprintf("%d %s %s", *outcome.Code, outcome.Stdout, outcome.Stderr)

	check(in.Store.Set("b", nil))
	check(in.Store.Set("a", []byte("1")))
	check(in.Store.Remove("b"))
	out["keys"], err = in.Store.Keys("")
	check(err)
	_, has, err = in.Names.Get("none")
	check(err)
	out["setting"] = has
	return out, nil
"#;

/// Answers one request with what it was sent, and gives the address.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut seen = String::new();
        let mut piece = [0; 4096];
        while !seen.ends_with("hello") {
            let size = stream.read(&mut piece).expect("it can be read");
            seen.push_str(&String::from_utf8_lossy(&piece[..size]));
        }
        let line = seen.lines().next().unwrap_or_default().to_owned();
        let header = seen.contains("x-a: b");
        let body = format!("{line} {header}");
        let answer = format!(
            "HTTP/1.1 418 I'm a teapot\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).expect("it can be written");
    });
    format!("http://{address}")
}

#[test]
fn an_op_in_go_uses_every_kind_of_resource() {
    let types = "type goesIn struct {\n\tDB op.SQL\n\tFiles op.Blob\n\tWeb op.HTTP\n\tTool op.Command\n\tStore op.KeyValue\n\tNames op.Settings\n}\n";
    let ops = package(
        "\t\"bytes\"\n\t\"fmt\"\n",
        types,
        "in goesIn) (map[string]any, error)",
        &format!("\tout := map[string]any{{}}\n{RESOURCES}"),
    );
    let definitions = format!(
        r#"
[resources.db]
kind = "sql"
url = "sqlite:base.db"
[resources.files]
kind = "blob"
url = "memory:"
[resources.web]
kind = "http"
base_url = "{}"
allow = ["POST"]
[resources.tool]
kind = "command"
program = "sh"
arguments = ["-c", "cat; echo no >&2; exit 3"]
folder = "."
env = {{ PATH = {{ env = "PATH" }} }}
[resources.store]
kind = "keyvalue"
backend = "memory"
[resources.names]
kind = "config"
entries = {{ a = "b" }}
"#,
        echo()
    );
    let folder = project(&ops, &definitions);
    let rows = json!([
        { "a": -1, "b": "x", "c": null, "hex(d)": "" },
        { "a": 1_i64 << 60, "b": "ü", "c": 0.5, "hex(d)": "0102" },
    ]);
    let expected = json!({
        "touched": 2, "updated": 1, "rows": rows, "wrong": true, "same": true, "none": true, "paths": ["a/large", "a/small"],
        "answer": "418 POST /x?y=1 HTTP/1.1 true", "command": "3 in no\n", "keys": ["a"], "setting": false,
    });
    assert_eq!(result(folder.path()), expected);
}

/// Many goroutines that allocate and call the host at once, so that the collector runs while the host answers; sleep that
/// costs nothing; chance that repeats.
#[test]
fn goroutines_the_collector_and_the_clock_work_in_the_sandbox() {
    let body = r#"	var wait sync.WaitGroup
	sums := make([]int, 8)
	for at := range sums {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range 50 {
				bytes, _, err := store.Get("large")
				if err != nil {
					panic(err)
				}
				sums[at] += len(bytes) + len(ctx.Attempt().StepKey)
				time.Sleep(time.Second)
			}
		}()
	}
	start := time.Now()
	wait.Wait()
	if slept := time.Since(start); slept < 50*time.Second || start.Year() != 2000 {
		return nil, fmt.Errorf("slept %s from %s on", slept, start)
	}
	<-ctx.Done()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || time.Since(start) < 9*time.Minute {
		return nil, ctx.Err()
	}
	return append(sums, rand.Int()), nil
"#;
    let ops = package(
        "\t\"context\"\n\t\"errors\"\n\t\"fmt\"\n\t\"math/rand\"\n\t\"sync\"\n\t\"time\"\n",
        "type goesIn struct{ Store op.KeyValue }\n",
        "in goesIn) ([]int, error)",
        &format!(
            "\tstore := in.Store\n\tif err := store.Set(\"large\", make([]byte, 200_000)); err != nil {{\n\t\treturn nil, err\n\t}}\n{body}"
        ),
    );
    let folder = project(
        &ops,
        "limits = { timeout = \"10m\" }\n[resources.store]\nkind = \"keyvalue\"\nbackend = \"memory\"\n",
    );
    let first = result(folder.path());
    for at in 0..8 {
        assert_eq!(first[at], 50 * (200_000 + 2), "{first}");
    }
    assert_eq!(result(folder.path()), first);
}

/// A panic in a goroutine, which nobody can recover, and a deadlock end the attempt with Go's own words in the log.
#[test]
fn what_ends_go_itself_ends_the_attempt_with_its_words() {
    let fatal = [
        ("\tgo func() { panic(\"lost\") }()\n\tselect {}\n", "panic: lost"),
        ("\tselect {}\n", "fatal error: all goroutines are asleep - deadlock!"),
        ("\tos.Exit(3)\n\treturn 0, nil\n", ""),
    ];
    for (body, words) in fatal {
        let imports = if body.contains("os.") { "\t\"os\"\n" } else { "" };
        let folder = project(&package(imports, "", "_ op.None) (int, error)", body), "");
        let ended = run(folder.path(), &["run", "all"]);
        assert_ne!(ended.exit, 0, "{ended:#?}");
        let shown = run(folder.path(), &["show", "--json"]);
        let shown: Value = serde_json::from_str(&shown.stdout).expect("a run is a document");
        assert_eq!(shown["steps"][0]["attempts"][0]["failure"]["kind"], "trap", "{shown:#}");
        let logs = run(folder.path(), &["logs"]);
        assert!(logs.stdout.contains(words), "{logs:#?}");
    }
}
