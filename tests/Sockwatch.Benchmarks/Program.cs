using Sockwatch.Benchmarks;

// Two hot paths: a socket operation in the kernel, and the way from the kernel's maps to the page.
switch (args)
{
    case [] or ["all"]:
        HookCost.Run(rounds: 7);
        ReadCost.Run();
        return 0;
    case ["hooks", .. var rest]:
        HookCost.Run(rounds: rest is [var rounds] ? int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture) : 15);
        return 0;
    case ["reading"]:
        ReadCost.Run();
        return 0;
    default:
        Console.Error.WriteLine("usage: make bench [ARGS=\"hooks [ROUNDS] | reading\"]");
        return 2;
}
