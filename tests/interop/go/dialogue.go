// dialogue.go: InvokeModelWithBidirectionalStream, where an application talks while it listens: the steps of a row of bidi.json.
//
// Over cleartext the SDK would speak HTTP/1.1, so its own client is told to begin with HTTP/2, as it agrees upon over TLS
// by itself. A call returns before the server has answered: what it answered at the head is in the initial reply.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	patience = 5 * time.Second // for an answer that is waited for, and for the end
	longest  = 30 * time.Second
)

type step struct {
	Send       []string
	Until      []any // the name of an event, and how many of it
	End, Leave bool
}

type stream = bedrockruntime.InvokeModelWithBidirectionalStreamEventStream

type talk struct {
	stream *stream
	lock   sync.Mutex
	events [][]any // type, value, how many events were sent by then
	counts map[string]int
	toolID string
	sent   int
	came   chan struct{} // somebody looks when there is something
	over   chan struct{}
}

func dialogueClient(q *question) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		if strings.HasPrefix(q.URL, "http:") && q.Client.HTTP != 1 {
			transport.Protocols = new(http.Protocols)
			transport.Protocols.SetUnencryptedHTTP2(true)
		}
	})
}

func (t *talk) listen() {
	defer close(t.over)
	for event := range t.stream.Events() {
		kind, value := unionMember(reflect.ValueOf(event).Elem())
		t.lock.Lock()
		t.events = append(t.events, []any{kind, value, t.sent})
		if chunk, known := event.(*types.InvokeModelWithBidirectionalStreamOutputMemberChunk); known {
			var said struct {
				Event map[string]struct{ ToolUseID string }
			}
			if json.Unmarshal(chunk.Value.Bytes, &said) == nil {
				for name, members := range said.Event {
					t.counts[name]++
					if members.ToolUseID != "" {
						t.toolID = members.ToolUseID
					}
				}
			}
		}
		t.lock.Unlock()
		select {
		case t.came <- struct{}{}:
		default:
		}
	}
}

// until waits for an event; false: it does not come.
func (t *talk) until(name string, n int) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		t.lock.Lock()
		here := t.counts[name] >= n
		t.lock.Unlock()
		if here {
			return true
		}
		select {
		case <-t.came:
		case <-t.over:
			t.lock.Lock()
			defer t.lock.Unlock()
			return t.counts[name] >= n
		case <-timer.C:
			return false
		}
	}
}

// send says what is to be said, or as much as is still taken: of a stream that broke, its own error tells more.
func (t *talk) send(ctx context.Context, words []string) {
	for _, word := range words {
		t.lock.Lock()
		t.sent++
		word = strings.ReplaceAll(word, "$toolUseId", t.toolID)
		t.lock.Unlock()
		chunk := types.BidirectionalInputPayloadPart{Bytes: []byte(word)}
		if t.stream.Send(ctx, &types.InvokeModelWithBidirectionalStreamInputMemberChunk{Value: chunk}) != nil {
			return
		}
	}
}

// walk takes the steps; it says what it is stuck with, if it is.
func (t *talk) walk(ctx context.Context, steps []step) (left bool, stuck string) {
	for _, s := range steps {
		t.send(ctx, s.Send)
		switch {
		case s.Until != nil:
			name, count := s.Until[0].(string), s.Until[1].(json.Number)
			n, _ := count.Int64()
			if !t.until(name, int(n)) {
				return false, fmt.Sprintf("no %s number %d", name, n)
			}
		case s.End:
			_ = t.stream.Writer.Close() // Close() of the stream itself would end what is heard, too
		case s.Leave:
			return true, ""
		}
	}
	select {
	case <-t.over:
	case <-time.After(patience):
		stuck = "it does not end"
	}
	return false, stuck
}

func (t *talk) tell(begun bool, out answer) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if begun {
		out["events"] = t.events
	}
}

func discuss(q *question) answer {
	with, err := configure(q)
	if err != nil {
		return answer{"result": "refused", "error": errorOf(err)}
	}
	with.HTTPClient = dialogueClient(q)
	model, _ := q.Input["modelId"].(string)
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	output, err := bedrockruntime.NewFromConfig(with).InvokeModelWithBidirectionalStream(ctx,
		&bedrockruntime.InvokeModelWithBidirectionalStreamInput{ModelId: &model})
	if err != nil {
		return answer{"result": "refused", "error": errorOf(err)}
	}
	t := &talk{stream: output.GetStream(), counts: map[string]int{}, came: make(chan struct{}, 1), over: make(chan struct{})}
	go t.listen()
	left, stuck := t.walk(ctx, q.Dialogue)
	if left {
		cancel()
	}
	broke := t.stream.Err()
	_ = t.stream.Close()
	out, begun := head(output)
	t.tell(begun, out)
	switch {
	case stuck != "":
		out["result"], out["error"] = "stuck", answer{"message": stuck}
	case left:
		out["result"] = "left"
	case broke == nil:
		out["result"] = "stream ended"
	case begun:
		out["result"], out["error"] = "stream broke", errorOf(broke)
	default:
		out = answer{"result": "refused", "error": errorOf(broke)}
	}
	return out
}

// head is what was answered before the stream; false: it was no stream.
func head(output *bedrockruntime.InvokeModelWithBidirectionalStreamOutput) (answer, bool) {
	out := answer{}
	select {
	case reply := <-output.GetInitialReply():
		if id, known := awsmiddleware.GetRequestIDMetadata(reply.ResultMetadata); known {
			out["request_id"] = id
		}
		if response, known := awsmiddleware.GetRawResponse(reply.ResultMetadata).(*smithyhttp.Response); known {
			out["status"] = response.StatusCode
		}
	case <-time.After(patience):
	}
	return out, out["status"] == http.StatusOK
}
