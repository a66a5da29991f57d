package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"
)

// golden is a frame with its fields, as in tests/contract/frames.json. Without a type, the frame must be refused.
type golden struct {
	Name, From, Type, Hex string

	Seq       uint64
	Channel   string
	Command   string
	Code      uint32
	Retryable bool
	Reason    string
	JSON      string
	Ranges    [][2]uint64
}

func goldenFrames(t testing.TB) []golden {
	t.Helper()
	text, err := os.ReadFile("../../tests/contract/frames.json")
	if err != nil {
		t.Skip("the golden frames are in the repository only")
	}
	var all []golden
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (g golden) bytes(t testing.TB) []byte {
	t.Helper()
	raw, err := hex.DecodeString(g.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// encode encodes the frame from its fields.
func (g golden) encode() []byte {
	switch g.Type {
	case "P":
		return appendFrame(nil, 'P', publishBody(g.Seq, g.Channel, g.Command))
	case "A":
		spans := []span{}
		for _, r := range g.Ranges {
			spans = append(spans, span{r[0], r[1]})
		}
		return appendTaken(nil, spans)
	case "E":
		return appendFailed(nil, g.Seq, &failure{code: g.Code, retry: g.Retryable, reason: g.Reason})
	case "X":
		return (&outbox{final: g.Reason, isFinal: true}).appendTo(nil)
	}
	return appendFrame(nil, g.Type[0], []byte(g.JSON))
}

// decode decodes the frame into fields, with the name and other keys of g.
func (g golden) decode(t *testing.T, kind byte, body []byte) golden {
	got := golden{Name: g.Name, From: g.From, Type: string(kind), Hex: g.Hex}
	switch kind {
	case 'P':
		seq, channel, command, err := parsePublish(body)
		if err != nil {
			t.Error(err)
		}
		got.Seq, got.Channel, got.Command = seq, string(channel), string(command)
	case 'A':
		for _, s := range decodeTaken(body) {
			got.Ranges = append(got.Ranges, [2]uint64{s.first, s.last})
		}
	case 'E':
		e := decodeFailed(body)
		got.Seq, got.Code, got.Retryable, got.Reason = e.seq, e.code, e.retryable, e.reason
	case 'X':
		got.Reason = string(body)
	default:
		got.JSON = string(body)
	}
	return got
}

// readFrame reads one frame, and the content of a P frame.
func readFrame(r *bufio.Reader) (kind byte, body []byte, err error) {
	kind, length, err := readHeader(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(body) < length {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && kind == 'P' {
		_, _, _, err = parsePublish(body)
	}
	return kind, body, err
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range goldenFrames(t) {
		t.Run(g.Name, func(t *testing.T) {
			raw := g.bytes(t)
			kind, body, err := readFrame(bufio.NewReader(bytes.NewReader(raw)))
			if g.Type == "" {
				if err == nil {
					t.Errorf("%c was read", kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := g.decode(t, kind, body); !reflect.DeepEqual(got, g) {
				t.Errorf("%+v, not %+v", got, g)
			}
			if got := g.encode(); !bytes.Equal(got, raw) {
				t.Errorf("%x, not %x", got, raw)
			}
		})
	}
}

func TestJSONOfTheProtocol(t *testing.T) {
	for _, g := range goldenFrames(t) {
		var value any
		switch g.Type {
		case "h":
			value = hello{1, 4711, "5f0c", false}
		case "s":
			value = report{4711, 1.5, 0, 0, 10, 1, 2, 5, 2.6, 0.5, 2, 1}
		default:
			continue
		}
		if text, err := json.Marshal(value); err != nil || string(text) != g.JSON {
			t.Errorf("%s, not %s", text, g.JSON)
		}
	}
}

func TestManyRangesAreSeveralFrames(t *testing.T) {
	spans := make([]span, 2*maxRanges+1)
	r := bufio.NewReader(bytes.NewReader(appendTaken(nil, spans)))
	for _, want := range []int{maxRanges, maxRanges, 1} {
		if kind, body, err := readFrame(r); kind != 'A' || len(body) != 16*want || err != nil {
			t.Errorf("%c with %d bytes, %v", kind, len(body), err)
		}
	}
}

// FuzzFrames decodes arbitrary bytes. Frames that are accepted must have the same encoding again.
func FuzzFrames(f *testing.F) {
	for _, g := range goldenFrames(f) {
		f.Add(g.bytes(f))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bufio.NewReader(bytes.NewReader(raw))
		rest := raw
		for {
			kind, body, err := readFrame(r)
			if err != nil {
				if !errors.Is(err, errFrame) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("an error of another kind: %v", err)
				}
				return
			}
			again := appendFrame(nil, kind, body)
			if !bytes.HasPrefix(rest, again) {
				t.Fatalf("%x was read as %x", rest, again)
			}
			rest = rest[len(again):]
			if kind == 'P' {
				seq, channel, command, _ := parsePublish(body)
				if got := publishBody(seq, string(channel), string(command)); !bytes.Equal(got, body) {
					t.Fatalf("%x was read as %x", body, got)
				}
			}
		}
	})
}
