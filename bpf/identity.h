/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Who a task is. The names are taken while the task is alive, once a process and only for processes that use sockets,
 * so that one that lives for a millisecond still has its name and one that never talks costs nothing.
 */
#ifndef SOCKWATCH_IDENTITY_H
#define SOCKWATCH_IDENTITY_H

#include "edge_process.h"
#include "losses.h"
#include "reading.h"

#define MAX_PATH_COMPONENTS 48
#define CGROUP_V1 (1ULL << 63)	/* ids of the version 1 hierarchies may equal those of version 2 */

#define TASK_FIELD(object, field) (untyped_task ? BPF_CORE_READ(object, field) : (object)->field)

struct owner {
	__u64 executable_id;
	__u64 cgroup_id;
	__u64 process_started_at_ns;
	__u32 pid;
	__u32 parent_pid;
	__u32 uid;
};

static __always_inline __u64 claim_of(const struct path_builder *path)
{
	return address_of(path);
}

static __always_inline int begin_building(struct path_builder *path)
{
	return plain_atomics ? begin_alone(claim_of(path)) : !__sync_lock_test_and_set(&path->busy, 1);
}

static __always_inline struct path_builder *begin_path(void)
{
	for (__u32 i = 0; i < PATH_BUILDERS; i++) {
		__u32 index = i;
		struct path_builder *path = bpf_map_lookup_elem(&path_builders, &index);

		if (path && begin_building(path)) {
			path->start = PATH_LENGTH - 1;
			path->text[PATH_LENGTH - 1] = 0;
			return path;
		}
	}
	return 0;
}

static __always_inline void end_path(struct path_builder *path)
{
	if (plain_atomics)
		end_alone(claim_of(path));
	else
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

/* FNV-1a. Keeps 0 for "unknown", and what edges by process put beside it free. */
static __always_inline __u64 hash_path(struct path_builder *path)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (__u32 at = path->start; at < PATH_LENGTH - 1; at++) {
		__u32 index = at & (PATH_LENGTH - 1);

		barrier_var(index); /* or the compiler drops the bound that the verifier needs */
		hash ^= (__u8)path->text[index];
		hash *= 0x100000001b3ULL;
	}
	if (edges_by_process)
		hash &= ~PROCESS_MASK;
	return (hash & ~HAS_PROCESS) ?: 1ULL << PROCESS_BITS;
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

/* The cgroup of a controller that some cgroup of version 1 may have; 0 where the kernel is built without it. */
#define CONTROLLERS_CGROUP(sets, name)									\
	(bpf_core_enum_value_exists(enum cgroup_subsys_id, name)					\
		 ? cgroup_below_root((void *)(sets) + bpf_core_field_offset(struct css_set, subsys) +	\
				     8 * bpf_core_enum_value(enum cgroup_subsys_id, name))		\
		 : 0)

static __always_inline struct cgroup *cgroup_below_root(const void *slot)
{
	struct cgroup_subsys_state *state = 0;
	struct cgroup *cgroup;

	bpf_probe_read_kernel(&state, sizeof(state), slot);
	cgroup = BPF_CORE_READ(state, cgroup);
	return BPF_CORE_READ(cgroup, level) ? cgroup : 0;
}

/*
 * The version 2 cgroup; on a host where version 1 does the work and every task sits in the version 2 root, the one
 * that the container runtime made for memory or, where version 1 has no memory any more, for pids.
 */
static __always_inline struct kernfs_node *cgroup_node_of(struct task_struct *task, __u64 *id)
{
	struct css_set *sets = TASK_FIELD(task, cgroups);
	struct cgroup *cgroup = TASK_FIELD(sets, dfl_cgrp);
	struct kernfs_node *node = TASK_FIELD(cgroup, kn);

	*id = TASK_FIELD(node, id);
	if (TASK_FIELD(cgroup, level))
		return node;
	cgroup = CONTROLLERS_CGROUP(sets, memory_cgrp_id);
	if (!cgroup)
		cgroup = CONTROLLERS_CGROUP(sets, pids_cgrp_id);
	if (!cgroup)
		return node;
	node = BPF_CORE_READ(cgroup, kn);
	*id = BPF_CORE_READ(node, id) | CGROUP_V1;
	return node;
}

/* All that costs little to ask. */
static __always_inline void introduce(struct task_struct *task, struct owner *owner)
{
	struct task_struct *leader = TASK_FIELD(task, group_leader);
	struct task_struct *parent = TASK_FIELD(leader, real_parent);
	const struct cred *cred = TASK_FIELD(task, cred);

	cgroup_node_of(task, &owner->cgroup_id);
	owner->pid = TASK_FIELD(task, tgid);
	owner->uid = TASK_FIELD(cred, uid.val);
	owner->process_started_at_ns = TASK_FIELD(leader, start_boottime);
	owner->parent_pid = TASK_FIELD(parent, tgid);
}

static __always_inline int recall(struct owner *owner)
{
	struct process_identity *known = bpf_map_lookup_elem(&processes, &owner->pid);

	if (!known || known->started_at_ns != owner->process_started_at_ns || known->cgroup_id != owner->cgroup_id)
		return 0;
	owner->executable_id = known->executable_id;
	owner->parent_pid = known->parent_pid;
	return 1;
}

static __noinline int remember_ancestors(struct task_struct *task)
{
	struct process_ancestors ancestors = {};
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u32 pid = BPF_CORE_READ(leader, tgid);

	ancestors.started_at_ns = BPF_CORE_READ(leader, start_boottime);
	for (int i = 0; i < ANCESTORS; i++) {
		leader = BPF_CORE_READ(leader, real_parent, group_leader);
		ancestors.pids[i] = BPF_CORE_READ(leader, tgid);
		if (ancestors.pids[i] <= 1)
			break;
	}
	bpf_map_update_elem(&process_ancestors, &pid, &ancestors, BPF_ANY);
	return 0;
}

/* Names the executable and the cgroup, and remembers the process. */
static __always_inline __u64 describe(struct task_struct *task)
{
	struct task_struct *leader = TASK_FIELD(task, group_leader);
	struct task_struct *parent = TASK_FIELD(leader, real_parent);
	struct process_identity fresh = {};
	struct kernfs_node *node;
	__u32 pid;

	node = cgroup_node_of(task, &fresh.cgroup_id);
	remember_cgroup(node, fresh.cgroup_id);
	pid = TASK_FIELD(task, tgid);
	fresh.executable_id = with_process(executable_of(task), pid);
	fresh.started_at_ns = TASK_FIELD(leader, start_boottime);
	fresh.parent_pid = TASK_FIELD(parent, tgid);
	if (bpf_map_update_elem(&processes, &pid, &fresh, BPF_ANY))
		count_loss(LOST_PROCESSES_FULL);
	return fresh.executable_id;
}

static __always_inline struct task_struct *current_task(void)
{
	return untyped_task ? (void *)bpf_get_current_task() : bpf_get_current_task_btf();
}

/*
 * Walking paths is most of what the verifier has to look at. Functions that are not static it verifies once, by themselves,
 * and not again for each of their callers; before 5.12 they are handed nothing but numbers.
 */
__noinline __u64 describe_current(void)
{
	return describe(current_task());
}

static __noinline int identify_current(struct owner *owner)
{
	introduce(current_task(), owner);
	if (!recall(owner)) {
		owner->executable_id = describe_current();
		/* Not below the former: this is where the stack is deepest, and 512 bytes are all there is of it. */
		remember_ancestors(current_task());
	}
	return 0;
}

static __always_inline void identify(struct task_struct *task, struct owner *owner)
{
	introduce(task, owner);
	if (!recall(owner)) {
		owner->executable_id = describe(task);
		remember_ancestors(task);
	}
}

static __always_inline void forget_process(__u32 pid)
{
	bpf_map_delete_elem(&processes, &pid);
}

#endif
