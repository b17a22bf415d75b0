using System.Net;
using System.Net.Sockets;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class ReverseNamesTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly CacheLedger _caches = new();
    private readonly Resolver _resolver = new();
    private readonly ReverseNames _names;

    public ReverseNamesTests() => _names = new ReverseNames(_resolver, _caches, _time, limit: 100);

    public void Dispose() => _names.Dispose();

    [Fact]
    public async Task An_address_is_named_from_the_second_time_on()
    {
        _resolver.Names["192.0.2.1"] = "Mail.Example.Test.";

        Assert.Null(Find("192.0.2.1"));
        await EventuallyAsync(() => Find("192.0.2.1") == "mail.example.test");
        Assert.Equal(1, _resolver.Questions);
    }

    [Fact]
    public async Task A_name_that_does_not_lead_back_is_none()
    {
        _resolver.Names["192.0.2.1"] = "bank.test";
        _resolver.Addresses["bank.test"] = [IPAddress.Parse("198.51.100.1")];

        Find("192.0.2.1");
        await EventuallyAsync(() => _resolver.Questions == 1);

        Assert.Null(Find("192.0.2.1"));
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Null(Find("192.0.2.1"));
        Assert.Equal(1, _resolver.Questions);
    }

    [Fact]
    public async Task A_resolver_that_fails_is_not_asked_again_for_an_hour()
    {
        Find("192.0.2.1");
        await EventuallyAsync(() => _resolver.Questions == 1);
        for (var i = 0; i < 50; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            Find("192.0.2.1");
        }

        Assert.Equal(1, _resolver.Questions);
        await EventuallyAsync(() =>
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            Find("192.0.2.1");
            return _resolver.Questions == 2;
        });
    }

    [Fact]
    public async Task A_scan_of_the_network_makes_a_few_questions_a_second_and_no_queue_without_end()
    {
        for (var i = 0; i < 5000; i++)
        {
            Find($"10.0.{i / 256}.{i % 256}");
        }

        await EventuallyAsync(() => _resolver.Questions == 1);
        await EventuallyAsync(() => _time.HasTimers);
        Assert.Equal(1, _resolver.Questions);
        _time.Advance(TimeSpan.FromMilliseconds(200));
        await EventuallyAsync(() => _resolver.Questions == 2);
        Assert.InRange(_caches.Read().Single().Evictions, 100, 5000);
    }

    private string? Find(string address) => _names.Find(Address16.Parse(address));

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, "it never became true");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private sealed class Resolver : IReverseResolver
    {
        private int _questions;

        public Dictionary<string, string> Names { get; } = [];

        public Dictionary<string, IPAddress[]> Addresses { get; } = [];

        public int Questions => Volatile.Read(ref _questions);

        public Task<string> NameOfAsync(IPAddress address, CancellationToken cancellation)
        {
            Interlocked.Increment(ref _questions);
            return Names.TryGetValue(address.ToString(), out var name) ? Task.FromResult(name) : throw new SocketException((int)SocketError.HostNotFound);
        }

        public Task<IPAddress[]> AddressesOfAsync(string name, CancellationToken cancellation) =>
            Task.FromResult(Addresses.GetValueOrDefault(name) ?? [.. Names.Where(one => one.Value == name).Select(one => IPAddress.Parse(one.Key))]);
    }
}
