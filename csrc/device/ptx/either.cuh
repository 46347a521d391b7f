// One of two types: on the CPU, too.
#pragma once

template <bool kFirst, class First, class Second>
struct Either {
    using Type = First;
};
template <class First, class Second>
struct Either<false, First, Second> {
    using Type = Second;
};
