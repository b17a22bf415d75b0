namespace Sockwatch.Diagnostics;

/// <summary>Requests to the Kubernetes API server: of which resource, how, and what came of it.</summary>
internal sealed record ApiRequests(string Resource, string Verb, string Outcome, long Count);

/// <summary>Times a watch began again, and why.</summary>
internal sealed record WatchRestarts(string Resource, string Reason, long Count);

/// <summary>What is followed of one resource.</summary>
/// <param name="IsCurrent">False while the server cannot be reached, or does not let us: names are those of before.</param>
internal sealed record FollowedObjects(string Resource, long Count, bool IsCurrent);

/// <summary>What is asked of the Kubernetes API server, and how that goes. Empty where it is not asked.</summary>
internal sealed class ApiLedger
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Resource, string Verb, string Outcome), long> _requests = [];
    private readonly Dictionary<(string Resource, string Reason), long> _restarts = [];
    private readonly Dictionary<string, (Func<long> Count, bool IsCurrent)> _followed = [];

    public void CountRequest(string resource, string verb, string outcome)
    {
        lock (_lock)
        {
            _requests[(resource, verb, outcome)] = _requests.GetValueOrDefault((resource, verb, outcome)) + 1;
        }
    }

    public void CountRestart(string resource, string reason)
    {
        lock (_lock)
        {
            _restarts[(resource, reason)] = _restarts.GetValueOrDefault((resource, reason)) + 1;
        }
    }

    /// <summary>Makes a reason visible at 0 before it ever happens.</summary>
    public void AnnounceRestart(string resource, string reason)
    {
        lock (_lock)
        {
            _restarts.TryAdd((resource, reason), 0);
        }
    }

    public void Follow(string resource, Func<long> objects)
    {
        lock (_lock)
        {
            _followed[resource] = (objects, IsCurrent: false);
        }
    }

    public void SetCurrent(string resource, bool isCurrent)
    {
        lock (_lock)
        {
            if (_followed.TryGetValue(resource, out var followed))
            {
                _followed[resource] = followed with { IsCurrent = isCurrent };
            }
        }
    }

    public IReadOnlyList<ApiRequests> Requests()
    {
        lock (_lock)
        {
            return [.. _requests.Select(one => new ApiRequests(one.Key.Resource, one.Key.Verb, one.Key.Outcome, one.Value))];
        }
    }

    public IReadOnlyList<WatchRestarts> Restarts()
    {
        lock (_lock)
        {
            return [.. _restarts.Select(one => new WatchRestarts(one.Key.Resource, one.Key.Reason, one.Value))];
        }
    }

    public IReadOnlyList<FollowedObjects> Followed()
    {
        lock (_lock)
        {
            return [.. _followed.Select(one => new FollowedObjects(one.Key, one.Value.Count(), one.Value.IsCurrent))];
        }
    }
}
