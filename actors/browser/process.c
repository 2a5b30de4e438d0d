/* SPDX-License-Identifier: MIT */
/* Browser processes: posix_spawn of the keeper, what they print, how they end. */
#include "process.h"

#include "cgroup.h"
#include "keeper.h"
#include "proc.h"
#include "tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_CHUNKS_MAX 16   /* a full pipe: others get their turn */
#define GRACE_MS          3000 /* for a profile that is kept: SIGTERM, and so much time */
#define KILL_LOOKS        40   /* of 5 ms each */
#define FD_FLOOR          16   /* above the descriptors that the keeper is born with */

extern char **environ;

/* What the keeper inherits. -1 = not open. */
typedef struct hand_over {
    int to_browser[2];
    int from_browser[2];
    int hold[2];
    int output[2];
    int scratch_lock;
    int profile_lock;
} hand_over;

/* A copy of the descriptor that stands above those that the keeper is born with; the old one is
 * closed. */
static int lift(int fd)
{
    int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return high;
}

static bool high_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) {
        return false;
    }
    ends[0] = lift(low[0]);
    ends[1] = lift(low[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void close_hand(hand_over *hand)
{
    int *all[] = {&hand->to_browser[0],   &hand->to_browser[1], &hand->from_browser[0],
                  &hand->from_browser[1], &hand->hold[0],       &hand->hold[1],
                  &hand->output[0],       &hand->output[1],     &hand->scratch_lock,
                  &hand->profile_lock};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        close_fd(all[i]);
    }
}

/* Before the start -------------------------------------------------------------------------- */

/* Chromium would start without its port and only print a line about it. */
static troupe_error check_port(const recipe *made, troupe_reason *reason)
{
    if (made->port_number == 0) {
        return TROUPE_OK;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(made->port_number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                   bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int why = errno;
    close_fd(&fd);
    return is_free
               ? TROUPE_OK
               : troupe_fail(reason, TROUPE_EUNAVAILABLE, "port %u of 127.0.0.1 cannot be had: %s",
                             made->port_number,
                             why == EADDRINUSE ? "something listens there already" : strerror(why));
}

static troupe_error make_profile(process *made, const process_options *options, hand_over *hand,
                                 troupe_reason *reason)
{
    const char *wanted = options->recipe->profile;
    if (wanted == NULL) {
        snprintf(made->profile, sizeof made->profile, "%s/profile", made->scratch);
        return mkdir(made->profile, 0700) == 0
                   ? TROUPE_OK
                   : troupe_fail(reason, TROUPE_EIO, "%s: %s", made->profile, strerror(errno));
    }
    char who[160];
    snprintf(made->profile, sizeof made->profile, "%s", wanted);
    snprintf(who, sizeof who, "browser %s of host %s (pid %ld)", options->browser,
             options->host->name, (long)getpid());
    troupe_error error = profile_make(options->host->state_dir, wanted, reason);
    return error == TROUPE_OK ? profile_lock(wanted, who, &hand->profile_lock, reason) : error;
}

/* A group of its own where that is allowed; else the limit is each process's (RLIMIT_DATA). */
static void make_cgroup(process *made, const recipe *wanted)
{
    char dir[CGROUP_PATH_MAX];
    troupe_reason reason = {""};
    const char *slash = strrchr(made->scratch, '/');
    if (wanted->memory_bytes == 0 || slash == NULL) {
        return;
    }
    troupe_error error = cgroup_find(NULL, NULL, dir, sizeof dir, &reason);
    if (error == TROUPE_OK) {
        (void)scratch_note_cgroup(made->scratch, dir); /* without it a sweep would not find it */
        error = cgroup_create(dir, slash + 1, wanted->memory_bytes, made->cgroup,
                              sizeof made->cgroup, &reason);
    }
    if (error != TROUPE_OK) {
        made->cgroup[0] = '\0';
        troupe_log(TROUPE_LOG_WARN, "launcher", "memory-limit", NULL,
                   "%s; the limit holds for each process, not for the browser", reason.text);
    }
}

/* The start --------------------------------------------------------------------------------- */

static void keeper_command(words *line, const process_options *options, const process *made)
{
    const recipe *wanted = options->recipe;
    words_add(line, options->host->keeper != NULL ? options->host->keeper : "/proc/self/exe");
    words_add(line, "--keeper");
    words_add(line, made->scratch);
    words_addf(line, "nice=%d", wanted->nice);
    words_addf(line, "grace=%d", wanted->profile != NULL ? GRACE_MS : 0);
    if (made->cgroup[0] != '\0') {
        words_addf(line, "cgroup=%s", made->cgroup);
    } else if (wanted->memory_bytes != 0) {
        words_addf(line, "data=%llu", (unsigned long long)wanted->memory_bytes);
    }
    words_add(line, "--");
    recipe_command(wanted, made->profile, line);
}

static void keeper_environment(words *list, const recipe *wanted)
{
    for (char **each = environ; *each != NULL; each++) {
        if (strncmp(*each, "TROUPE_", 7) != 0) {
            words_add(list, *each);
        }
    }
    for (size_t i = 0; i < wanted->environment.count; i++) {
        words_add(list, wanted->environment.items[i]);
    }
}

static int spawn_keeper(pid_t *pid, char **argv, char **variables, const hand_over *hand)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, hand->output[1], 1);
    posix_spawn_file_actions_adddup2(&actions, hand->output[1], 2);
    posix_spawn_file_actions_adddup2(&actions, hand->to_browser[0], KEEPER_BROWSER_READ_FD);
    posix_spawn_file_actions_adddup2(&actions, hand->from_browser[1], KEEPER_BROWSER_WRITE_FD);
    posix_spawn_file_actions_adddup2(&actions, hand->hold[0], KEEPER_HOST_FD);
    posix_spawn_file_actions_adddup2(&actions, hand->scratch_lock, KEEPER_SCRATCH_FD);
    if (hand->profile_lock >= 0) {
        posix_spawn_file_actions_adddup2(&actions, hand->profile_lock, KEEPER_PROFILE_FD);
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    /* A group of its own: a Ctrl-C on the host's terminal must not reach it. Not a session: the
     * kernel schedules sessions against each other, and the browser would lose to the host's many
     * threads. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int code = posix_spawn(pid, argv[0], &actions, &attributes, argv, variables);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

/* Not all would have stood above the keeper's own otherwise. */
static bool lift_locks(hand_over *hand)
{
    bool has_profile = hand->profile_lock >= 0;
    hand->scratch_lock = lift(hand->scratch_lock);
    hand->profile_lock = lift(hand->profile_lock);
    return hand->scratch_lock >= 0 && (!has_profile || hand->profile_lock >= 0);
}

static troupe_error spawn(process *made, const process_options *options, hand_over *hand,
                          troupe_reason *reason)
{
    if (!lift_locks(hand) || !high_pipe(hand->to_browser) || !high_pipe(hand->from_browser) ||
        !high_pipe(hand->hold) || !high_pipe(hand->output)) {
        return troupe_fail(reason, TROUPE_EIO, "no pipe: %s", strerror(errno));
    }
    words line = {0};
    words variables = {0};
    keeper_command(&line, options, made);
    keeper_environment(&variables, options->recipe);
    troupe_error error = line.failed || variables.failed ? TROUPE_ENOMEM : TROUPE_OK;
    int code = error == TROUPE_OK ? spawn_keeper(&made->pid, line.items, variables.items, hand) : 0;
    if (code != 0) {
        error = troupe_fail(reason, TROUPE_EIO, "%s: %s", line.items[0], strerror(code));
    }
    words_fini(&line);
    words_fini(&variables);
    if (error != TROUPE_OK) {
        return error;
    }
    made->write_fd = hand->to_browser[1];
    made->read_fd = hand->from_browser[0];
    made->host_fd = hand->hold[1];
    made->output_fd = hand->output[0];
    hand->to_browser[1] = hand->from_browser[0] = hand->hold[1] = hand->output[0] = -1;
    if (options->recipe->port) {
        close_fd(&made->write_fd);
        close_fd(&made->read_fd);
    }
    fcntl(made->output_fd, F_SETFL, O_NONBLOCK);
    made->pid_fd = (int)syscall(SYS_pidfd_open, made->pid, 0);
    if (made->pid_fd < 0) { /* its end would go unnoticed */
        error = troupe_fail(reason, TROUPE_EIO, "cannot watch the process: %s", strerror(errno));
        process_let_go(made, true);
        (void)process_reap(made);
    }
    return error;
}

troupe_error process_start(const process_options *options, process **out, troupe_reason *reason)
{
    hand_over hand = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, -1, -1};
    process *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return TROUPE_ENOMEM;
    }
    made->pid_fd = made->host_fd = made->output_fd = made->read_fd = made->write_fd = -1;
    troupe_error error = check_port(options->recipe, reason);
    if (error == TROUPE_OK) {
        error = scratch_create(options->host->runtime_dir, options->host->name, made->scratch,
                               &hand.scratch_lock, reason);
        made->scratch[0] = error == TROUPE_OK ? made->scratch[0] : '\0';
    }
    if (error == TROUPE_OK) {
        error = make_profile(made, options, &hand, reason);
    }
    if (error == TROUPE_OK) {
        make_cgroup(made, options->recipe);
        error = spawn(made, options, &hand, reason);
    }
    if (error != TROUPE_OK && made->cgroup[0] != '\0') {
        (void)cgroup_remove(made->cgroup);
    }
    if (error != TROUPE_OK && made->scratch[0] != '\0') {
        (void)tree_remove(made->scratch);
    }
    close_hand(&hand);
    if (error != TROUPE_OK) {
        process_destroy(made);
        return error;
    }
    *out = made;
    return TROUPE_OK;
}

/* Its life ---------------------------------------------------------------------------------- */

bool process_read_output(process *run)
{
    char chunk[4096];
    ssize_t got = 1;
    for (int i = 0; i < OUTPUT_CHUNKS_MAX && got > 0; i++) {
        got = read(run->output_fd, chunk, sizeof chunk);
        if (got > 0) {
            output_add(&run->output, chunk, (size_t)got);
        }
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void process_let_go(process *run, bool force)
{
    /* Kept open after a gentle one, for a `force` later. The pipe has room for both. */
    char byte = force ? KEEPER_FORCE : KEEPER_LET_GO;
    if (run->host_fd >= 0 && (force || !run->let_go)) {
        (void)!write(run->host_fd, &byte, 1);
    }
    run->let_go = true;
    if (force) {
        close_fd(&run->host_fd);
    }
}

/* The keeper could not clean up: this process does. */
static void clean_up(process *run)
{
    run->left_processes = proc_kill_marked(run->scratch, KILL_LOOKS, NULL);
    if (run->cgroup[0] != '\0') {
        (void)cgroup_end(run->cgroup, KILL_LOOKS);
    }
    (void)tree_remove(run->scratch);
}

int process_reap(process *run)
{
    int status = 0;
    struct stat info;
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close_fd(&run->pid_fd);
    close_fd(&run->host_fd);
    run->orphaned = WIFSIGNALED(status);
    if (run->orphaned || WEXITSTATUS(status) == KEEPER_LEFTOVERS) {
        clean_up(run);
    }
    run->left_directories = lstat(run->scratch, &info) == 0 ? 1 : 0;
    run->left_directories += run->cgroup[0] != '\0' && lstat(run->cgroup, &info) == 0;
    return run->orphaned ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void process_destroy(process *run)
{
    if (run == NULL) {
        return;
    }
    close_fd(&run->host_fd);
    close_fd(&run->pid_fd);
    close_fd(&run->output_fd);
    close_fd(&run->read_fd);
    close_fd(&run->write_fd);
    output_fini(&run->output);
    free(run);
}
