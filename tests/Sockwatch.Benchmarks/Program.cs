using Sockwatch.Benchmarks;

// The hot paths: a socket operation in the kernel, and the way from the kernel's maps to the page; and the sweep at the start.
switch (args)
{
    case [] or ["all"]:
        HookCost.Run(rounds: 7);
        ReadCost.Run();
        SweepCost.Run(connections: 5_000);
        return 0;
    case ["hooks", .. var rest]:
        HookCost.Run(rounds: rest is [var rounds] ? int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture) : 15);
        return 0;
    case ["reading"]:
        ReadCost.Run();
        return 0;
    case ["sweep"]:
        SweepCost.Run(connections: 5_000);
        return 0;
    default:
        Console.Error.WriteLine("usage: make bench [ARGS=\"hooks [ROUNDS] | reading | sweep\"]");
        return 2;
}
