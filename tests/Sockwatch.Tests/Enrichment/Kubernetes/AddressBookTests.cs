using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class AddressBookTests
{
    private const string Address = "10.1.0.1";

    private readonly ManualTime _time = new();
    private readonly LossLedger _losses = new();
    private readonly CacheLedger _caches = new();
    private readonly OwnerTable _owners = new();
    private readonly KubernetesOptions _options = new() { KeepDeleted = TimeSpan.FromMinutes(5), NameWait = TimeSpan.FromSeconds(3) };

    [Fact]
    public void A_flow_that_began_before_the_news_of_its_peer_came_has_its_name()
    {
        var source = Book(out var book).Source();
        var began = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(4));

        Put(source, "one", Address);

        Assert.Equal("one", Find(book, Address, began));
    }

    [Fact]
    public void Between_two_owners_it_is_the_one_that_comes_within_moments_else_the_one_that_was()
    {
        var source = Book(out var book).Source();
        Put(source, "one", Address);
        _time.Advance(TimeSpan.FromSeconds(10));
        var had = _time.GetUtcNow();
        source.Remove(Metadata("one"));
        _time.Advance(TimeSpan.FromSeconds(30));
        var after = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(25));
        var before = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(5));
        Put(source, "two", Address);
        var now = _time.GetUtcNow();

        Assert.Equal("one", Find(book, Address, had));
        Assert.Equal("one", Find(book, Address, after));
        Assert.Equal("two", Find(book, Address, before));
        Assert.Equal("two", Find(book, Address, now));
    }

    [Fact]
    public void A_name_ends_with_the_time_that_names_are_kept()
    {
        var source = Book(out var book).Source();
        Put(source, "one", Address);
        source.Remove(Metadata("one"));

        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("one", Find(book, Address));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(Find(book, Address));
        Put(source, "two", "10.1.0.2");
        source.Remove(Metadata("two"));

        Assert.Equal(1, book.Addresses);
        Assert.Equal(1, _owners.Count);
    }

    [Fact]
    public void What_was_there_before_we_looked_is_known_from_its_creation_on()
    {
        var source = Book(out var book).Source();
        var created = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromHours(1));

        source.BeginList();
        Put(source, "one", Address, created);
        source.EndList();

        Assert.Equal("one", Find(book, Address, created.AddMinutes(1)));
    }

    [Fact]
    public void A_list_ends_what_it_does_not_name_of_its_own_and_nothing_else()
    {
        var source = Book(out var book).Source();
        var other = book.Source();
        Put(source, "one", Address);
        Put(source, "two", "10.1.0.2");
        Put(other, "three", "10.1.0.3");

        source.BeginList();
        Put(source, "two", "10.1.0.2");
        source.EndList();
        _time.Advance(TimeSpan.FromMinutes(6));

        Assert.Null(Find(book, Address));
        Assert.Equal("two", Find(book, "10.1.0.2"));
        Assert.Equal("three", Find(book, "10.1.0.3"));
        Assert.Equal((1, 1), (source.Count, other.Count));
    }

    [Fact]
    public void An_address_that_moves_between_owners_in_any_order_leaves_nothing_behind()
    {
        var source = Book(out var book).Source();
        Put(source, "one", Address);
        Put(source, "two", Address);
        Put(source, "three", Address);
        foreach (var name in (string[])["two", "three", "one"])
        {
            source.Remove(Metadata(name));
            _time.Advance(TimeSpan.FromMinutes(2));
        }

        _time.Advance(TimeSpan.FromMinutes(6));
        Put(source, "x", "10.1.0.2");
        source.Remove(Metadata("x"));

        Assert.Equal((1, 1), (book.Addresses, _owners.Count));
    }

    [Fact]
    public void Too_many_objects_are_counted_and_too_many_that_are_gone_are_forgotten_early()
    {
        _options.MaxObjects = 3;
        var source = Book(out var book, maxEnded: 2).Source();
        for (var i = 1; i <= 5; i++)
        {
            Put(source, $"p{i}", $"10.1.0.{i}");
        }

        Assert.Equal(2, _losses.Read().Single(loss => loss.Reason == LossLedger.ObjectsFull).Count);
        Assert.Null(Find(book, "10.1.0.4"));

        for (var i = 1; i <= 3; i++)
        {
            source.Remove(Metadata($"p{i}"));
        }

        Assert.Null(Find(book, "10.1.0.1"));
        Assert.Equal("p3", Find(book, "10.1.0.3"));
        Assert.Equal(1, _caches.Read().Single(cache => cache.Cache == "addresses").Evictions);
        Put(source, "p6", "10.1.0.6");
        Assert.Equal("p6", Find(book, "10.1.0.6"));
    }

    [Fact]
    public void Unknown_addresses_are_awaited_where_the_cluster_may_have_them()
    {
        var source = Book(out var book).Source();

        Assert.True(IsAwaited(book, Address));
        Assert.False(IsAwaited(book, "198.51.100.7"));
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(IsAwaited(book, Address));

        Put(source, "six", "2001:db8::1");
        Assert.True(IsAwaited(book, "2001:db8::2"));
    }

    [Fact]
    public void An_address_whose_owner_ended_is_awaited_for_its_next_owner_each_time()
    {
        var source = Book(out var book).Source();
        foreach (var (name, next) in ((string, string)[])[("one", "two"), ("two", "three")])
        {
            Put(source, name, Address);
            Assert.False(IsAwaited(book, Address));
            source.Remove(Metadata(name));
            _time.Advance(TimeSpan.FromSeconds(10));

            Assert.True(IsAwaited(book, Address));
            _time.Advance(TimeSpan.FromSeconds(1));
            Put(source, next, Address);
            Assert.Equal(next, Find(book, Address));
            Assert.False(IsAwaited(book, Address));
            source.Remove(Metadata(next));
            _time.Advance(TimeSpan.FromSeconds(10));

            Assert.True(IsAwaited(book, Address));
            _time.Advance(TimeSpan.FromSeconds(4));
            Assert.False(IsAwaited(book, Address));
            Assert.Equal(next, Find(book, Address));
        }
    }

    private AddressBook Book(out AddressBook book, int maxEnded = AddressBook.MaxEnded) =>
        book = new AddressBook(_options, _owners, _ => { }, _losses, _caches, _time, maxEnded);

    private static PlainMetadata Metadata(string name, DateTimeOffset? created = null) => new() { Uid = name, Name = name, CreationTimestamp = created };

    private static void Put(AddressSource source, string name, string address, DateTimeOffset? created = null) =>
        source.Put(Metadata(name, created), PeerClass.Pod, new TopOwner(new Workload("shop", "Pod", name), null), [Address16.Parse(address)]);

    private string? Find(AddressBook book, string address, DateTimeOffset? at = null) =>
        book.Find(Some.Edge(address), at ?? _time.GetUtcNow(), out _)?.Workload.Name;

    private bool IsAwaited(AddressBook book, string address)
    {
        book.Find(Some.Edge(address), _time.GetUtcNow(), out var isAwaited);
        return isAwaited;
    }
}
