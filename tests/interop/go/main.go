// main.go: the AWS SDK for Go as a driver of tests/interop (README.md, "Drivers"): a line of JSON in, a call, a line out.
//
// Operations are found by their names and inputs filled by reflection, so that a row for another operation needs no code
// here. What reflection cannot find are the members of unions: setup.sh lists them in unions.go, from the SDK's source.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"
	_ "unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrockagentruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The SDK's clock, so that a call can be signed as on a machine whose clock is wrong.
//
//go:linkname sdkNow github.com/aws/aws-sdk-go-v2/internal/sdk.NowTime
var sdkNow func() time.Time

type question struct {
	List                    bool
	URL, Service, Operation string
	Input                   map[string]any
	Attempts                int
	Unchecked               bool
	Dialogue                []step
	Client                  struct {
		Credentials    struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		Bearer, Region string
		ClockMs        int64  `json:"clock_ms"`
		ReadTimeoutMs  int64  `json:"read_timeout_ms"`
		RetryMode      string `json:"retry_mode"`
		Tamper         string
		HTTP           int // 1: HTTP/1.1 even where the operation asks for HTTP/2
	}
}

type answer = map[string]any

var operations = []string{"bedrock-runtime *", "bedrock *", "bedrock-agent-runtime *", "sts *"}

// ---- the client ----

// careless is a transport that damages requests which are signed already, as a careless proxy does.
type careless struct {
	what string
	next http.RoundTripper
}

func (c careless) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil { // smithy-go 1.28.8 closes a body that may still be read, and its WriteTo then says io.EOF, upon
		request.Body = struct{ io.ReadCloser }{request.Body} // which net/http cuts the answer off: without WriteTo it does not
	}
	switch c.what {
	case "body":
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte("hello"), []byte("jello"))))
	case "content-type":
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
	case "path":
		request.URL.RawPath = strings.ReplaceAll(request.URL.EscapedPath(), "%3A", ":")
	case "unsigned":
		request.Header.Set("x-forwarded-for", "127.0.0.1")
	}
	return c.next.RoundTrip(request)
}

func configure(q *question) (aws.Config, error) {
	c := &q.Client
	timeout := time.Duration(c.ReadTimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	os.Unsetenv("AWS_BEARER_TOKEN_BEDROCK")
	if c.Bearer != "" {
		os.Setenv("AWS_BEARER_TOKEN_BEDROCK", c.Bearer)
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	mode := aws.RetryModeStandard
	if c.RetryMode == "adaptive" {
		mode = aws.RetryModeAdaptive
	}
	skew := time.Duration(c.ClockMs) * time.Millisecond
	sdkNow = func() time.Time { return time.Now().Add(skew) }
	client := &http.Client{Timeout: timeout, Transport: careless{c.Tamper, awshttp.NewBuildableClient().GetTransport()}}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // as the SDK's own
	keys := c.Credentials
	return config.LoadDefaultConfig(context.Background(),
		config.WithRegion(c.Region), config.WithBaseEndpoint(q.URL),
		config.WithRetryMode(mode), config.WithRetryMaxAttempts(q.Attempts),
		config.WithHTTPClient(client),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)),
		config.WithAPIOptions([]func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			if q.Unchecked { // so that the mock's validation is what answers
				_, _ = stack.Initialize.Remove("OperationInputValidation")
			}
			return nil
		}}))
}

func newClient(service string, with aws.Config) any {
	switch service {
	case "bedrock-runtime":
		return bedrockruntime.NewFromConfig(with)
	case "bedrock":
		return bedrock.NewFromConfig(with)
	case "bedrock-agent-runtime":
		return bedrockagentruntime.NewFromConfig(with)
	}
	return sts.NewFromConfig(with)
}

// ---- errors ----

func errorOf(err error) answer {
	innermost := err
	for next := errors.Unwrap(innermost); next != nil; next = errors.Unwrap(next) {
		innermost = next
	}
	out := answer{"class": className(innermost), "name": className(innermost), "message": err.Error()}
	var api smithy.APIError
	if errors.As(err, &api) {
		if v := reflect.ValueOf(api); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			for key, member := range members(v.Elem()) {
				out[key] = member
			}
		}
		delete(out, "errorCodeOverride")
		delete(out, "code")
		delete(out, "fault")
		out["class"], out["name"], out["message"] = className(api), api.ErrorCode(), api.ErrorMessage()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		out["request_id"] = response.ServiceRequestID()
	}
	var plainResponse *smithyhttp.ResponseError
	if errors.As(err, &plainResponse) && plainResponse.Response != nil {
		out["status"] = plainResponse.HTTPStatusCode()
		if after := plainResponse.Response.Header.Get("Retry-After"); after != "" {
			out["retry_after"] = after
		}
	}
	if out["request_id"] == "" {
		delete(out, "request_id")
	}
	return out
}

func className(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// ---- a call ----

func call(q *question) answer {
	wireName = lowerFirst
	if own, known := onWire[q.Service]; known {
		wireName = own
	}
	if q.Dialogue != nil {
		return discuss(q)
	}
	with, err := configure(q)
	if err != nil {
		return answer{"result": "refused", "error": errorOf(err)}
	}
	method := reflect.ValueOf(newClient(q.Service, with)).MethodByName(q.Operation)
	if !method.IsValid() {
		return answer{"result": "refused", "error": answer{"name": "NoSuchOperation", "class": "", "message": q.Operation}}
	}
	input := reflect.New(method.Type().In(1).Elem())
	if err := fill(input.Elem(), q.Input); err != nil {
		return answer{"result": "refused", "error": answer{"name": "Unbuildable", "class": "", "message": err.Error()}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	returned := method.Call([]reflect.Value{reflect.ValueOf(ctx), input})
	if err, failed := returned[1].Interface().(error); failed {
		return answer{"result": "refused", "error": errorOf(err)}
	}
	output := returned[0]
	out := answer{"result": "answer"}
	metadata := output.Elem().FieldByName("ResultMetadata").Interface().(middleware.Metadata)
	if id, known := awsmiddleware.GetRequestIDMetadata(metadata); known {
		out["request_id"] = id
	}
	if response, known := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); known {
		out["status"] = response.StatusCode
	}
	if getStream := output.MethodByName("GetStream"); getStream.IsValid() {
		follow(getStream.Call(nil)[0], out)
		return out
	}
	shape := members(output.Elem())
	delete(shape, wireName("ResultMetadata"))
	out["output"] = shape
	return out
}

func follow(stream reflect.Value, out answer) {
	defer stream.MethodByName("Close").Call(nil)
	channel := stream.MethodByName("Events").Call(nil)[0]
	events := [][]any{}
	for {
		event, open := channel.Recv()
		if !open {
			break
		}
		kind, value := unionMember(event.Elem())
		events = append(events, []any{kind, value})
	}
	out["result"], out["events"] = "stream ended", events
	if err, failed := stream.MethodByName("Err").Call(nil)[0].Interface().(error); failed {
		out["result"], out["error"] = "stream broke", errorOf(err)
	}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		q := &question{}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(q); err != nil {
			panic(err)
		}
		if q.List {
			err = out.Encode(operations)
		} else {
			err = out.Encode(call(q))
		}
		if err != nil {
			panic(err)
		}
	}
}
