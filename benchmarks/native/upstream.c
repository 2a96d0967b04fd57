/* A model API that costs next to nothing: answers calls at once, plays paced event streams, takes telemetry.
 *
 * usage: upstream PORT. A request names its stream by `x-events: COUNT/PER_SECOND` (0: as fast as it goes); each event
 * carries the time it was written (CLOCK_MONOTONIC, ns), the last one a hash of all before it. */
#include "wire.h"

#define MOST_HELD (1 << 20) /* bytes that wait for a slow reader before no more events are made */

struct connection {
    struct connection *next_playing;
    int fd;
    bool writable_wanted, playing;
    struct buffer in, out;
    size_t body_left;
    long left;
    uint64_t gap_ns, due_ns, hash, number;
};

static int epoll;
static struct connection *playing;
static char answer[4096];
static size_t answer_length;
static const char TAKEN[] = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_bench\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";
static const char START[] = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
                            "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-6\",\"content\":"
                            "[],\"usage\":{\"input_tokens\":300,\"output_tokens\":1}}}\n\n";

static void chunk(struct connection *to, const char *bytes, size_t length) {
    char size[20];
    append(&to->out, size, (size_t)sprintf(size, "%zx\r\n", length));
    append(&to->out, bytes, length);
    append(&to->out, "\r\n", 2);
    to->hash = hashed(to->hash, bytes, length);
}

static void flush(struct connection *to) {
    while (to->out.length) {
        ssize_t sent = send(to->fd, to->out.bytes, to->out.length, MSG_NOSIGNAL);
        if (sent <= 0) break;
        forget(&to->out, (size_t)sent);
    }
    bool wanted = to->out.length > 0;
    if (wanted != to->writable_wanted) watch(epoll, to->fd, to, to->writable_wanted = wanted);
}

static void event(struct connection *to) {
    char data[256];
    int length = sprintf(data,
                         "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                         "{\"type\":\"text_delta\",\"text\":\"a few words \"},\"n\":%lu,\"t\":%lu}\n\n",
                         (unsigned long)to->number++, (unsigned long)now_ns());
    chunk(to, data, (size_t)length);
}

static void end(struct connection *to) {
    char data[512];
    int length = sprintf(data,
                         "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
                         "\"end_turn\"},\"usage\":{\"output_tokens\":%lu},\"hash\":\"%016lx\"}\n\nevent: message_stop\n"
                         "data: {\"type\":\"message_stop\"}\n\n",
                         (unsigned long)to->number, (unsigned long)to->hash);
    chunk(to, data, (size_t)length);
    append(&to->out, "0\r\n\r\n", 5);
    to->playing = false;
}

static void play(struct connection *to, uint64_t now) {
    while (to->left && to->due_ns <= now && to->out.length < MOST_HELD) {
        event(to);
        to->left--;
        to->due_ns += to->gap_ns;
        if (!to->gap_ns && to->left % 16 == 0) break; /* others have their turn */
    }
    if (!to->left) end(to);
    flush(to);
}

static void begin(struct connection *to, long events, long rate) {
    to->hash = HASH_SEED;
    to->number = 0;
    append(&to->out, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    chunk(to, START, sizeof START - 1);
    to->left = events;
    to->gap_ns = rate ? 1000000000ULL / (uint64_t)rate : 0;
    to->due_ns = now_ns();
    to->playing = true;
    to->next_playing = playing;
    playing = to;
    flush(to);
}

static void respond(struct connection *to, const char *head, size_t length) {
    const char *events = field(head, length, "\r\nx-events:");
    if (!strncmp(head, "POST /v1/logs", 13) || !strncmp(head, "POST /v1/metrics", 16) ||
        !strncmp(head, "POST /v1/traces", 15))
        append(&to->out, TAKEN, sizeof TAKEN - 1);
    else if (events) {
        char *slash;
        long count = strtol(events, &slash, 10);
        begin(to, count, *slash == '/' ? strtol(slash + 1, NULL, 10) : 0);
        return;
    } else
        append(&to->out, answer, answer_length);
    flush(to);
}

static void leave(struct connection *gone) {
    for (struct connection **at = &playing; *at; at = &(*at)->next_playing)
        if (*at == gone) {
            *at = gone->next_playing;
            break;
        }
    close(gone->fd);
    free(gone->in.bytes);
    free(gone->out.bytes);
    free(gone);
}

/* A request is answered once its body has come; false when it cannot be read. */
static bool read_requests(struct connection *from) {
    while (from->in.length) {
        char *end = memmem(from->in.bytes, from->in.length, "\r\n\r\n", 4);
        if (!end) return from->in.length < 65536;
        size_t head = (size_t)(end - from->in.bytes) + 4;
        const char *stated = field(from->in.bytes, head, "\r\ncontent-length:");
        if (field(from->in.bytes, head, "\r\ntransfer-encoding:")) return false;
        size_t whole = head + (stated ? strtoul(stated, NULL, 10) : 0);
        if (from->in.length < whole) return true;
        respond(from, from->in.bytes, head);
        forget(&from->in, whole);
    }
    return true;
}

static bool receive(struct connection *from) {
    static char bytes[1 << 18];
    for (;;) {
        ssize_t got = recv(from->fd, bytes, sizeof bytes, 0);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN && read_requests(from);
        append(&from->in, bytes, (size_t)got);
        if ((size_t)got < sizeof bytes) return read_requests(from);
    }
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *new = calloc(1, sizeof *new);
        new->fd = fd;
        without_delay(fd);
        watch(epoll, fd, new, false);
    }
}

/* Plays what is due; returns ms until the next event. */
static int play_all(void) {
    uint64_t now = now_ns(), next = UINT64_MAX;
    for (struct connection **at = &playing; *at;) {
        struct connection *each = *at;
        if (each->due_ns <= now) play(each, now);
        if (!each->playing) {
            *at = each->next_playing;
            continue;
        }
        if (each->due_ns < next && each->out.length < MOST_HELD) next = each->due_ns;
        at = &each->next_playing;
    }
    if (next == UINT64_MAX) return playing ? 1 : 1000;
    return next <= now ? 0 : (int)((next - now) / 1000000);
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: upstream PORT\n"), 2;
    char text[1201];
    memset(text, 'a', 1200);
    text[1200] = 0;
    char body[2048];
    int length = sprintf(body,
                         "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-6\","
                         "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\",\"usage\":"
                         "{\"input_tokens\":300,\"output_tokens\":280}}",
                         text);
    answer_length = (size_t)sprintf(answer,
                                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n"
                                    "content-length: %d\r\n\r\n%s",
                                    length, body);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = loopback(atoi(arguments[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    epoll = epoll_create1(0);
    watch(epoll, listener, NULL, false);
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, play_all());
        for (int i = 0; i < ready; i++) {
            struct connection *each = events[i].data.ptr;
            if (!each)
                accept_all(listener);
            else if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) && !receive(each))
                leave(each);
            else if (events[i].events & EPOLLOUT)
                flush(each);
        }
    }
}
