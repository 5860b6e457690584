//! Memory that an idle session does not have.

use std::ops::{Deref, DerefMut};

/// A value with an empty state that is known at compile time.
pub(super) trait Empty: Default + 'static {
    const EMPTY: &'static Self;

    fn is_empty(&self) -> bool;
}

/// A boxed value that is allocated by its first change and given back once it is empty: of thousands of sessions most
/// are idle most of the time.
#[derive(Debug, Default)]
pub(super) struct BoxedWhenUsed<T>(Option<Box<T>>);

impl<T: Empty> BoxedWhenUsed<T> {
    /// Gives the memory back if the value is empty.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl<T: Empty> Deref for BoxedWhenUsed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for BoxedWhenUsed<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Number(u32);

    impl Empty for Number {
        const EMPTY: &'static Self = &Self(0);

        fn is_empty(&self) -> bool {
            *self == Self(0)
        }
    }

    #[test]
    fn what_is_empty_is_given_back_and_nothing_else() {
        let mut number = BoxedWhenUsed::<Number>::default();
        assert_eq!(*number, Number(0));
        number.0.get_or_insert_default().0 = 7;
        number.release();
        assert_eq!(*number, Number(7));
        *number = Number(0);
        number.release();
        assert!(number.0.is_none());
        assert_eq!(*number, Number(0));
    }
}
