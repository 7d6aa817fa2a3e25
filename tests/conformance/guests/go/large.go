package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"cofferdam.dev/op"
)

type sizeIn struct {
	Config struct{ Size int64 } `op:"config"`
}

func produce(ctx *op.Context, in sizeIn) (*op.Writer, error) {
	file := ctx.Create()
	writer := bufio.NewWriter(file)
	for i := range in.Config.Size {
		writer.WriteByte(byte(i*31 + i/256))
	}
	return file, writer.Flush()
}

type fileIn struct{ File *op.Reader }

type weight struct {
	Size int64
	Sum  uint32
}

func consume(_ *op.Context, in fileIn) (found weight, err error) {
	piece := make([]byte, 64*1024)
	for {
		n, err := in.File.Read(piece)
		for _, each := range piece[:n] {
			found.Sum += uint32(each)
		}
		found.Size += int64(n)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
}

type sliceIn struct {
	File   *op.Reader
	Config struct{ Offset, Length int64 } `op:"config"`
}

func slice(_ *op.Context, in sliceIn) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(in.File, in.Config.Offset, in.Config.Length))
}

type repeatIn struct {
	Config struct {
		Text  string
		Times int
	} `op:"config"`
}

func repeat(_ *op.Context, in repeatIn) (string, error) {
	return strings.Repeat(in.Config.Text, in.Config.Times), nil
}

func length(_ *op.Context, in valueIn[string]) (int, error) {
	return utf8.RuneCountInString(in.Value), nil
}

type pageIn struct {
	Config struct{ Title string } `op:"config"`
}

type pageOut struct {
	op.Outputs
	Result string `media:"text/html"`
}

func page(_ *op.Context, in pageIn) (pageOut, error) {
	return pageOut{Result: "<h1>" + in.Config.Title + "</h1>"}, nil
}
