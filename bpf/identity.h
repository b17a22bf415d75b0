/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Who a task is. The names are taken while the task is alive, once a process and only for processes that use sockets,
 * so that one that lives for a millisecond still has its name and one that never talks costs nothing.
 */
#ifndef SOCKWATCH_IDENTITY_H
#define SOCKWATCH_IDENTITY_H

#include "kernel_types.h"
#include "maps.h"
#include "losses.h"
#include <bpf/bpf_core_read.h>

#define MAX_PATH_COMPONENTS 48
#define CGROUP_V1 (1ULL << 63)	/* ids of the version 1 hierarchies may equal those of version 2 */

struct owner {
	__u64 executable_id;
	__u64 cgroup_id;
	__u64 process_started_at_ns;
	__u32 pid;
	__u32 parent_pid;
	__u32 uid;
};

static __always_inline struct path_builder *begin_path(void)
{
	for (__u32 i = 0; i < PATH_BUILDERS; i++) {
		__u32 index = i;
		struct path_builder *path = bpf_map_lookup_elem(&path_builders, &index);

		if (path && !__sync_lock_test_and_set(&path->busy, 1)) {
			path->start = PATH_LENGTH - 1;
			path->text[PATH_LENGTH - 1] = 0;
			return path;
		}
	}
	return 0;
}

static __always_inline void end_path(struct path_builder *path)
{
	__sync_lock_test_and_set(&path->busy, 0);
}

/* Puts /name, or name alone, before what is there. False when there is no more room: the path keeps its end. */
static __always_inline int prepend(struct path_builder *path, const void *name, int slash)
{
	long size = bpf_probe_read_kernel_str(path->name, sizeof(path->name), name);
	__u32 length, start;

	if (size <= 1)
		return 1;
	length = (size - 1) & 0xff;
	if (path->start < length + 1)
		return 0;
	start = (path->start - length) & (PATH_LENGTH - 1);
	bpf_probe_read_kernel(&path->text[start], length, path->name);
	if (slash) {
		start = (start - 1) & (PATH_LENGTH - 1);
		path->text[start] = '/';
	}
	path->start = start;
	return 1;
}

/* FNV-1a. Keeps the top bit free for CGROUP_V1, and 0 for "unknown". */
static __always_inline __u64 hash_path(struct path_builder *path)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (__u32 at = path->start; at < PATH_LENGTH - 1; at++) {
		__u32 index = at & (PATH_LENGTH - 1);

		barrier_var(index); /* or the compiler drops the bound that the verifier needs */
		hash ^= (__u8)path->text[index];
		hash *= 0x100000001b3ULL;
	}
	return (hash & ~CGROUP_V1) ?: 1;
}

static __always_inline void build_executable_path(struct path_builder *path, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);

	for (int i = 0; i < MAX_PATH_COMPONENTS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount)
				break;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (dentry == parent)
			break;
		if (!prepend(path, BPF_CORE_READ(dentry, d_name.name), 1))
			return;
		dentry = parent;
	}
	/* Files without a place in the tree, such as a memfd, name themselves at their root. */
	if (path->start == PATH_LENGTH - 1)
		prepend(path, BPF_CORE_READ(dentry, d_name.name), 1);
}

static __always_inline void build_kernel_thread_name(struct path_builder *path, struct task_struct *task)
{
	static const char opening[] = "[", closing[] = "]";

	prepend(path, closing, 0);
	prepend(path, task->comm, 0);
	prepend(path, opening, 0);
}

static __noinline __u64 executable_of(struct task_struct *task)
{
	struct path_builder *path = begin_path();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	__u64 id;

	if (!path) {
		count_loss(LOST_EXECUTABLES_FULL);
		return 0;
	}
	if (file)
		build_executable_path(path, file);
	else
		build_kernel_thread_name(path, task);
	id = hash_path(path);
	if (!bpf_map_lookup_elem(&executable_paths, &id) &&
	    bpf_map_update_elem(&executable_paths, &id, &path->text[path->start & (PATH_LENGTH - 1)], BPF_ANY))
		count_loss(LOST_EXECUTABLES_FULL);
	end_path(path);
	return id;
}

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *node)
{
	struct kernfs_node___since_6_15 *renamed = (void *)node;

	if (bpf_core_field_exists(renamed->__parent))
		return (void *)BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(node, parent);
}

/* Names the cgroup unless it has its name already. */
static __noinline int remember_cgroup(struct kernfs_node *node, __u64 id)
{
	struct path_builder *path;

	if (bpf_map_lookup_elem(&cgroup_paths, &id))
		return 0;
	path = begin_path();
	if (!path) {
		count_loss(LOST_CGROUPS_FULL);
		return 0;
	}
	for (int i = 0; i < MAX_PATH_COMPONENTS; i++) {
		struct kernfs_node *parent = parent_of(node);

		if (!parent || !prepend(path, BPF_CORE_READ(node, name), 1))
			break;
		node = parent;
	}
	if (path->start == PATH_LENGTH - 1) {
		path->start--;
		path->text[PATH_LENGTH - 2] = '/';
	}
	if (bpf_map_update_elem(&cgroup_paths, &id, &path->text[path->start & (PATH_LENGTH - 1)], BPF_ANY))
		count_loss(LOST_CGROUPS_FULL);
	end_path(path);
	return 0;
}

/*
 * The version 2 cgroup; on a host where version 1 does the work and every task sits in the version 2 root, the one
 * that the container runtime made for memory or pids.
 */
static __always_inline struct kernfs_node *cgroup_node_of(struct task_struct *task, __u64 *id)
{
	struct css_set *sets = task->cgroups;
	struct cgroup *cgroup = sets->dfl_cgrp;
	struct kernfs_node *node = cgroup->kn;
	struct cgroup_subsys_state *state = 0;
	const void *slot;

	*id = node->id;
	if (cgroup->level)
		return node;
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		slot = (void *)sets + bpf_core_field_offset(struct css_set, subsys) +
		       8 * bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		slot = (void *)sets + bpf_core_field_offset(struct css_set, subsys) +
		       8 * bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else
		return node;
	bpf_probe_read_kernel(&state, sizeof(state), slot);
	cgroup = BPF_CORE_READ(state, cgroup);
	if (!BPF_CORE_READ(cgroup, level))
		return node;
	node = BPF_CORE_READ(cgroup, kn);
	*id = BPF_CORE_READ(node, id) | CGROUP_V1;
	return node;
}

static __always_inline int identify(struct task_struct *task, struct owner *owner)
{
	struct task_struct *leader = task->group_leader;
	struct process_identity fresh = {};
	struct process_identity *known;
	struct kernfs_node *node;
	__u32 pid = task->tgid;
	__u64 cgroup_id;

	node = cgroup_node_of(task, &cgroup_id);
	fresh.started_at_ns = leader->start_boottime;
	owner->pid = pid;
	owner->uid = task->cred->uid.val;
	owner->cgroup_id = cgroup_id;
	owner->process_started_at_ns = fresh.started_at_ns;

	known = bpf_map_lookup_elem(&processes, &pid);
	if (known && known->started_at_ns == fresh.started_at_ns && known->cgroup_id == cgroup_id) {
		owner->executable_id = known->executable_id;
		owner->parent_pid = known->parent_pid;
		return 0;
	}
	fresh.executable_id = executable_of(task);
	fresh.cgroup_id = cgroup_id;
	fresh.parent_pid = leader->real_parent->tgid;
	remember_cgroup(node, cgroup_id);
	owner->executable_id = fresh.executable_id;
	owner->parent_pid = fresh.parent_pid;
	if (bpf_map_update_elem(&processes, &pid, &fresh, BPF_ANY))
		count_loss(LOST_PROCESSES_FULL);
	return 0;
}

/* Functions that are not static are verified once, by themselves, and not again for each of their callers. */
__noinline int identify_current(struct owner *owner)
{
	return owner ? identify(bpf_get_current_task_btf(), owner) : 0;
}

static __always_inline void forget_process(__u32 pid)
{
	bpf_map_delete_elem(&processes, &pid);
}

#endif
