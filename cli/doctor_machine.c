/* SPDX-License-Identifier: MIT */
/* `troupe doctor`: directories, disks, memory, limits, ports. */
#include "actors/browser/cgroup.h"
#include "doctor.h"
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PORT_FIRST      37650
#define PORT_LAST       37659
#define SHM_LEAST       ((uint64_t)256 << 20)
#define STORAGE_LEAST   ((uint64_t)256 << 20)
#define INODES_LEAST    10000
#define BROWSER_BYTES   ((uint64_t)100 << 20) /* of a headless shell with a page or two */
#define BROWSER_FDS     16                    /* in the host */
#define BROWSER_THREADS 200                   /* of all its processes */

static void check_space(json_t *list, const char *check, const char *path, const char *setting)
{
    struct statvfs status;
    char room[32];
    char todo[160];
    snprintf(todo, sizeof todo, "make room there, or set %s to another place", setting);
    if (statvfs(path, &status) != 0) {
        doctor_add(list, check, "error", todo, "%s: %s", path, strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)status.f_bavail * status.f_frsize;
    bool writable = access(path, W_OK | X_OK) == 0;
    bool inodes = status.f_files == 0 || status.f_favail >= INODES_LEAST;
    bool enough = bytes >= STORAGE_LEAST && inodes;
    human_bytes((double)bytes, room, sizeof room);
    doctor_add(list, check,
               !writable ? "error"
               : enough  ? "ok"
                         : "warning",
               writable && enough ? NULL : todo, "%s: %s free, %llu inodes free%s", path, room,
               (unsigned long long)status.f_favail, writable ? "" : ", not writable");
}

static void check_state_dir(const cli *self, json_t *list)
{
    troupe_reason reason;
    const char *dir = self->config.settings.host.state_dir;
    if (state_dir_make(dir, &reason) != TROUPE_OK) {
        doctor_add(list, "state", "error", "set state_dir to a directory of yours", "%s",
                   reason.text);
        return;
    }
    check_space(list, "state", dir, "state_dir");
}

static void check_shm(json_t *list)
{
    struct statvfs status;
    char size[32];
    if (statvfs("/dev/shm", &status) != 0) {
        doctor_add(list, "shm", "warning", "mount a tmpfs there",
                   "/dev/shm: %s; browsers use temporary files instead", strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)status.f_blocks * status.f_frsize;
    human_bytes((double)bytes, size, sizeof size);
    bool enough = bytes >= SHM_LEAST;
    doctor_add(list, "shm", enough ? "ok" : "warning",
               enough ? NULL : "give the container more (docker run --shm-size=1g)",
               "/dev/shm has %s%s", size,
               enough ? "" : ": too little, browsers use temporary files instead");
}

static bool port_free(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                   bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_free;
}

static void check_ports(json_t *list)
{
    unsigned free_count = 0;
    for (uint16_t port = PORT_FIRST; port <= PORT_LAST; port++) {
        free_count += port_free(port) ? 1 : 0;
    }
    doctor_add(list, "ports", free_count > 0 ? "ok" : "warning",
               free_count > 0 ? NULL : "give another address with --listen", "%u of %d-%d are free",
               free_count, PORT_FIRST, PORT_LAST);
}

static void check_limit(json_t *list, const char *check, __rlimit_resource_t which, uint64_t wanted,
                        const char *todo)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0) {
        return;
    }
    if (limit.rlim_max == RLIM_INFINITY) {
        doctor_add(list, check, "ok", NULL, "no limit");
        return;
    }
    bool enough = limit.rlim_max >= wanted;
    doctor_add(list, check, enough ? "ok" : "warning", enough ? NULL : todo,
               "%llu, where %llu may be needed", (unsigned long long)limit.rlim_max,
               (unsigned long long)wanted);
}

static uint64_t memory_available(void)
{
    char line[160];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (uint64_t)kib << 10;
}

static void check_memory(json_t *list)
{
    char size[32];
    uint64_t bytes = memory_available();
    unsigned long long browsers = bytes / BROWSER_BYTES;
    human_bytes((double)bytes, size, sizeof size);
    doctor_add(list, "memory", browsers > 1 ? "ok" : "warning",
               browsers > 1 ? NULL : "end something else, or launch fewer browsers",
               "%s available: %llu browsers or so", size, browsers);
}

static void check_cgroup(const cli *self, json_t *list)
{
    char dir[CGROUP_PATH_MAX];
    troupe_reason reason = {""};
    bool wanted = self->config.settings.host.memory_limit > 0;
    if (cgroup_find(NULL, NULL, dir, sizeof dir, &reason) == TROUPE_OK) {
        doctor_add(list, "cgroup", "ok", NULL, "memory limits hold for whole browsers (%s)", dir);
    } else {
        doctor_add(list, "cgroup", wanted ? "warning" : "ok",
                   "for limits of whole browsers, delegate a control group to the host",
                   "%s: memory limits hold for each process", reason.text);
    }
}

void doctor_machine(const cli *self, json_t *list)
{
    const troupe_host_options *host = &self->config.settings.host;
    check_state_dir(self, list);
    check_space(list, "profiles", host->runtime_dir, "runtime_dir");
    check_shm(list);
    check_limit(list, "descriptors", RLIMIT_NOFILE,
                (uint64_t)host->browsers_max * BROWSER_FDS + 4 * host->clients_max + 256,
                "raise the limit (ulimit -n, LimitNOFILE=), or lower [limits] browsers_max");
    check_limit(list, "processes", RLIMIT_NPROC, (uint64_t)host->browsers_max * BROWSER_THREADS,
                "raise the limit (ulimit -u, TasksMax=), or lower [limits] browsers_max");
    check_memory(list);
    check_cgroup(self, list);
    check_ports(list);
}
