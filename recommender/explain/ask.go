package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/recommender/loop"
)

// An explanation takes some kilobytes for each container; answers beyond maxAnswer bytes are not the recommender's. Of
// the text that comes with an error, maxText bytes are shown.
const maxAnswer, maxText = 16 << 20, 1000

// portForward is how people reach the recommender of deploy/.
const portForward = "kubectl -n sartor-system port-forward deploy/sartor-recommender 8942 makes it http://localhost:8942"

// Ask asks the recommender that serves at address (a URL such as http://localhost:8942) about a VPA.
func Ask(ctx context.Context, address string, name types.NamespacedName) (*loop.Explanation, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q: must be the URL of a recommender; %s", address, portForward)
	}
	at := base.JoinPath(Path)
	at.RawQuery = url.Values{"vpa": {name.String()}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", address, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the recommender cannot be reached; %s: %w", portForward, err)
	}
	defer response.Body.Close()
	return read(address, response)
}

func read(address string, response *http.Response) (*loop.Explanation, error) {
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxText))
		return nil, fmt.Errorf("%s answers %d: %s", address, response.StatusCode, strings.Join(wrap(string(text), maxText), " "))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer of %s breaks off: %w", address, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer of %s is longer than %d MiB: is it a recommender?", address, maxAnswer>>20)
	}
	e := &loop.Explanation{}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("the answer of %s is no explanation: is it a recommender of this version? %w", address, err)
	}
	return e, nil
}
