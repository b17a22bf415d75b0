using System.Collections.Immutable;

namespace Sockwatch.Tests.Enrichment.Kubernetes.Server;

/// <summary>One state of one object, as etcd keeps it.</summary>
/// <param name="Fields">What field selectors can ask for.</param>
/// <param name="Json">The object with this resource version.</param>
internal sealed record StoredObject(string Resource, string Key, long Version, ImmutableDictionary<string, string> Fields, Func<long, string> Json)
{
    public string Text => Json(Version);
}

internal sealed record StoredEvent(long Version, string Type, StoredObject Object, StoredObject? Before);

/// <summary>
/// Objects with one resource version for all, and the events since the last compaction, as an API server's watch cache
/// has them.
/// </summary>
internal sealed class ApiStore
{
    private readonly Lock _lock = new();
    private readonly List<StoredEvent> _events = [];
    private ImmutableSortedDictionary<string, StoredObject> _objects = ImmutableSortedDictionary.Create<string, StoredObject>(StringComparer.Ordinal);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _version = 1000;

    public long Version
    {
        get
        {
            lock (_lock)
            {
                return _version;
            }
        }
    }

    /// <summary>Nobody can go on from before this version.</summary>
    public long Compacted { get; private set; } = 1000;

    public (ImmutableSortedDictionary<string, StoredObject> Objects, long Version) Snapshot()
    {
        lock (_lock)
        {
            return (_objects, _version);
        }
    }

    public void Put(string resource, string key, Func<long, string> json, params (string Field, string Value)[] fields)
    {
        lock (_lock)
        {
            var full = $"{resource}/{key}";
            var before = _objects.GetValueOrDefault(full);
            var stored = new StoredObject(resource, key, ++_version, fields.ToImmutableDictionary(field => field.Field, field => field.Value), json);
            _objects = _objects.SetItem(full, stored);
            Tell(new StoredEvent(_version, before is null ? "ADDED" : "MODIFIED", stored, before));
        }
    }

    /// <summary>Many at once, without events: they were there before anybody looked.</summary>
    public void Fill(IEnumerable<StoredObject> objects)
    {
        lock (_lock)
        {
            var builder = _objects.ToBuilder();
            foreach (var stored in objects)
            {
                builder[$"{stored.Resource}/{stored.Key}"] = stored with { Version = ++_version };
            }

            _objects = builder.ToImmutable();
            Compacted = _version;
        }
    }

    public void Delete(string resource, string key)
    {
        lock (_lock)
        {
            var full = $"{resource}/{key}";
            if (_objects.GetValueOrDefault(full) is { } before)
            {
                _objects = _objects.Remove(full);
                Tell(new StoredEvent(++_version, "DELETED", before with { Version = _version }, before));
            }
        }
    }

    /// <summary>Forgets what happened up to now.</summary>
    public void Compact()
    {
        lock (_lock)
        {
            _events.Clear();
            Compacted = _version;
        }
    }

    /// <summary>Events after a version; null when they are no longer known. The task ends when there are more.</summary>
    public (IReadOnlyList<StoredEvent>? Events, Task More) EventsAfter(long version)
    {
        lock (_lock)
        {
            if (version < Compacted)
            {
                return (null, Task.CompletedTask);
            }

            // From the end: whoever watches is rarely far behind.
            return (_events[(_events.FindLastIndex(happened => happened.Version <= version) + 1)..], _changed.Task);
        }
    }

    private void Tell(StoredEvent happened)
    {
        _events.Add(happened);
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }
}
