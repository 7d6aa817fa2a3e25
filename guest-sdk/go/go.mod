module cofferdam.dev/op

go 1.24
