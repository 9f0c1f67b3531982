package tokens

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// each calls f with a reader of text that has it in memory, and with one that reads it in small pieces.
func each(t *testing.T, text string, f func(t *testing.T, r *Reader)) {
	t.Run("in memory", func(t *testing.T) {
		f(t, &Reader{Decoder: jsontext.NewDecoder(bytes.NewBufferString(text)), InMemory: true})
	})
	t.Run("in pieces", func(t *testing.T) {
		f(t, &Reader{Decoder: jsontext.NewDecoder(strings.NewReader(text))})
	})
}

func TestMembersAndElementsAreReadAndTheRestIsSkipped(t *testing.T) {
	each(t, `{"a\n":["x","\u00fc",7,null,{"y":[]}], "skip":{"b":[1,{"c":2}]}, "no":5, "s":"t"}`, func(t *testing.T, r *Reader) {
		var read []string
		isObject, err := r.Object(func(key []byte) (err error) {
			read = append(read, string(key))
			switch string(key) {
			case "a\n":
				_, err = r.Array(func() error {
					text, kind, err := r.Text()
					read = append(read, kind.String()+" "+string(text))
					return err
				})
			case "no":
				var isArray bool
				isArray, err = r.Array(nil)
				require.False(t, isArray)
			case "s":
				var text string
				text, err = r.String()
				read = append(read, text)
			default:
				err = r.Skip()
			}
			return err
		})
		require.NoError(t, err)
		require.True(t, isObject)
		require.Equal(t, []string{"a\n", "string x", "string ü", "number 7", "null ", "{ ", "skip", "no", "s", "t"}, read)
	})
}

func TestAnotherTypeIsSkippedAndTold(t *testing.T) {
	each(t, `[{"a":1},"x",[2],true]`, func(t *testing.T, r *Reader) {
		isObject, err := r.Object(nil)
		require.NoError(t, err)
		require.False(t, isObject)
		_, err = r.Decoder.ReadToken()
		require.Error(t, err, "all was read")
	})
}

func TestWhatIsBrokenOrCutOffIsAnError(t *testing.T) {
	for _, text := range []string{`{"a":`, `{"a"`, `{"a":1`, `{"a":1,}`, `{"a":[1`, `{"a" 1}`, `{1:2}`, `{"a":{"b":}}`, `{"\ud800":1}`, strings.Repeat(`{"a":`, 20_000)} {
		each(t, text, func(t *testing.T, r *Reader) {
			_, err := r.Object(func(key []byte) error {
				if string(key) == "a" {
					if isArray, err := r.Array(r.Skip); isArray || err != nil {
						return err
					}
					return nil
				}
				return r.Skip()
			})
			require.Error(t, err, text)
		})
	}
}
